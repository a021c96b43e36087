"""Commands of a process that lives on: one producer and one listener for replies, connected at the first command."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID, uuid4

import msgspec
import structlog
from aiokafka.errors import KafkaError

from backoffice.commands import enveloped
from billing.messages import Reply, ReplyTo, decode_envelope
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import SubscriptionReply
from billing.messages.topics import REPLIES, Topic
from billing.payments.guard import Guarded
from runtime.kafka.clients import Producer, new_producer
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.kafka.tail import follow
from runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

C = TypeVar("C", Guarded, SubscriptionCommand)
R = TypeVar("R", Reply, SubscriptionReply)

#: Seconds until a command is stored without waiting for its reply, where the listener is not connected.
LISTEN_S: Final = 5.0
#: Seconds to end a producer that failed, or that of a process that stops.
CLOSE_S: Final = 5.0


class Sender:
    """Sends commands and waits for their replies. ``source``: of the messages."""

    def __init__(self, settings: KafkaSettings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._producer: Producer | None = None
        self._connecting = asyncio.Lock()
        self._replies = _Replies()
        self._listening: asyncio.Task[None] | None = None

    async def send(self, topic: Topic, command: C, id: UUID, operator: str, kind: type[R], wait_s: float) -> R | None:
        """Store the command in Kafka as message ``id``; its reply, ``None`` if there is none within ``wait_s`` seconds. It
        is processed all the same. Raises one of :data:`~runtime.kafka.clients.KAFKA_ERRORS` where the broker does not
        acknowledge it."""
        partition = await self._listened()
        if partition is None:
            await self._store(topic, command, id, operator)
            return None
        correlation_id = str(uuid4())
        reply = self._replies.expect(correlation_id)
        try:
            asks = msgspec.structs.replace(command, reply_to=ReplyTo(partition, correlation_id))
            await self._store(topic, asks, id, operator)
            value = await asyncio.wait_for(reply, wait_s)
        except TimeoutError:
            return None
        finally:
            self._replies.forget(correlation_id)
        answer = decode_envelope(value).open()
        assert isinstance(answer, kind), "a correlation id belongs to one command"
        return answer

    async def publish(self, messages: Sequence[OutboundMessage]) -> None:
        """Store messages that nobody replies to; retries until the broker has them."""
        await Publisher(await self._connected()).publish(messages)

    async def close(self) -> None:
        """Send what is buffered, and disconnect."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._producer is not None:
            await self._drop(self._producer)

    async def _store(self, topic: Topic, command: C, id: UUID, operator: str) -> None:
        envelope = enveloped(command, id, operator, self._source)
        producer = await self._connected()
        try:
            await producer.send_and_wait(topic.name, envelope.encode(), key=envelope.subject.encode())
        except KafkaError as error:
            # An idempotent producer never recovers from a fatal error: the next command gets a new one.
            log.warning("the Kafka producer failed and is replaced", error=repr(error))
            await self._drop(producer)
            raise

    async def _connected(self) -> Producer:
        async with self._connecting:
            if self._producer is None:
                producer = new_producer(self._settings, client_id="billing-admin")
                try:
                    await producer.start()
                except BaseException:
                    await _stop(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: Producer) -> None:
        if self._producer is producer:
            self._producer = None
            await _stop(producer)

    async def _listened(self) -> int | None:
        """The partition that replies are received from; ``None`` while none is."""
        if self._listening is None:
            self._listening = asyncio.create_task(
                follow(self._settings, REPLIES, self._replies, client_id="billing-admin"), name="panel-replies"
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                await self._replies.is_live.wait()
        return self._replies.partition


class _Replies:
    """The replies that are waited for."""

    wanted: Final = True

    def __init__(self) -> None:
        self.partition: int | None = None
        self.is_live = asyncio.Event()
        self._expected: dict[bytes, asyncio.Future[bytes]] = {}

    def expect(self, correlation_id: str) -> "asyncio.Future[bytes]":
        """The value of the reply with this id."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._expected[correlation_id.encode()] = future
        return future

    def forget(self, correlation_id: str) -> None:
        """Nobody waits any more."""
        del self._expected[correlation_id.encode()]

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """The last one: processes of ingest, which have most replies, take the first ones."""
        return partitions[-1:]

    def live(self, partitions: Sequence[int]) -> None:
        """From now on, a reply is received."""
        (self.partition,) = partitions
        self.is_live.set()

    def lost(self) -> None:
        """From now on, replies are missed."""
        self.partition = None
        self.is_live.clear()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A reply, of whomever: only those that are waited for are decoded."""
        future = self._expected.get(key or b"")
        if future is not None and not future.done():
            future.set_result(value or b"")


async def _stop(producer: Producer) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("the Kafka producer did not close cleanly", error=repr(error))
