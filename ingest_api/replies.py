"""Listening on this process' own partition of the replies topic."""

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from billing.errors import InvalidMessage
from billing.messages import Reply, decode_envelope
from billing.settings import Settings
from billing.topics import REPLIES
from ingest_api.metrics import Metrics
from ingest_api.waiting import WaitingRequests

log = structlog.get_logger(__name__)

RECONNECT_FIRST_S: Final = 0.2
RECONNECT_MAX_S: Final = 2.0
#: Milliseconds a fetch may stay open at the broker when there is nothing to fetch.
POLL_MS: Final = 1000


class ReplyListener:
    """Hands replies to who waits for them. Starts at the end of its partition: older replies have nobody waiting.

    ``partition`` is ``None`` until it listens; a request that came before then is not made to wait.
    """

    def __init__(self, settings: Settings, waiting: WaitingRequests, metrics: Metrics) -> None:
        self._settings = settings
        self._waiting = waiting
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self.partition: int | None = None

    @property
    def ready(self) -> bool:
        """Assigned and positioned."""
        return self.partition is not None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._task = asyncio.create_task(self._run(), name="reply-listener")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = RECONNECT_FIRST_S
        while True:
            try:
                await self._listen()
            except (KafkaError, OSError) as error:
                delay = RECONNECT_FIRST_S if self.ready else min(delay * 2, RECONNECT_MAX_S)
                self.partition = None
                log.warning("not listening for replies", error=repr(error), retry_in_s=delay)
            await asyncio.sleep(delay)

    async def _listen(self) -> None:
        consumer = AIOKafkaConsumer(
            REPLIES.name,  # for its metadata; _assign narrows it to our partition
            bootstrap_servers=self._settings.kafka_url,
            client_id="billing-ingest",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            partition = await self._assign(consumer)
            log.info("listening for replies", partition=partition)
            self.partition = partition
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self._hand_over(record.value)
        finally:
            self.partition = None
            await consumer.stop()

    async def _assign(self, consumer: AIOKafkaConsumer) -> int:
        partitions = consumer.partitions_for_topic(REPLIES.name)
        if not partitions:
            raise UnknownTopicOrPartitionError(REPLIES.name)
        partition = self._settings.ingest_instance % len(partitions)
        own = TopicPartition(REPLIES.name, partition)
        consumer.unsubscribe()
        consumer.assign([own])
        await consumer.seek_to_end(own)
        await consumer.position(own)
        return partition

    def _hand_over(self, value: bytes | None) -> None:
        try:
            message = decode_envelope(value or b"").open()
        except InvalidMessage as error:
            self._ignore(str(error))
            return
        if isinstance(message, Reply):
            self._waiting.resolve(message)
        else:
            self._ignore(f"a {message.TYPE}")

    def _ignore(self, what: str) -> None:
        # Nothing is lost: the request that waits, if one does, is answered with 202 when its time is over.
        self._metrics.replies_invalid.inc()
        log.warning("not a reply on the replies topic", what=what)
