"""Publishes signals to RabbitMQ, and declares the exchange and queues for them."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aio_pika
import msgspec
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelInvalidStateError

from billing.signals import Signal, signals_for
from runtime.retry import DependencyUnavailable
from runtime.settings import RabbitmqSettings
from sinks.batch import Batch, Event

log = structlog.get_logger(__name__)

EXCHANGE: Final = "billing.signals"
#: A message that its consumer returns this often is dead-lettered: otherwise it would block the queue.
DELIVERY_LIMIT: Final = 20

#: Unconfirmed signals at once: enough to hide the round trip, few enough to bound the repeats after an outage.
MAX_IN_FLIGHT: Final = 256
CONNECT_TIMEOUT_S: Final = 5.0
#: One batch, declarations included. RabbitMQ confirms a burst within milliseconds.
DELIVER_TIMEOUT_S: Final = 20.0

#: PayloadRejected, returned as unroutable, cut off or too slow: all are tried again. aiormq tells a channel that closed
#: that closes during a publish.
PUBLISH_ERRORS: Final = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)


class Topology(msgspec.Struct, frozen=True):
    """The exchange for signals and its queues: ``queues`` maps a queue to its binding. Each queue has a ``.dead`` queue
    with the same binding to the dead-letter exchange."""

    exchange: str
    dead_letter_exchange: str
    queues: dict[str, str]


SIGNALS: Final = Topology(
    EXCHANGE,
    f"{EXCHANGE}.dlx",
    {"auth.access": "auth.*", "notify.customer": "notify.*", "finance.clearing": "finance.*"},
)


class Outgoing(msgspec.Struct, frozen=True):
    """A signal and the trace it belongs to."""

    signal: Signal
    traceparent: str | None


async def declare_topology(channel: AbstractChannel, topology: Topology = SIGNALS) -> AbstractExchange:
    """Declare the exchange, the queues of all consumers and their dead letters; returns the exchange.

    Idempotent. Quorum queues dead-letter at least once only when they refuse new messages rather than drop old
    ones on overflow; no length limit is set, so neither happens.
    """
    exchange = await channel.declare_exchange(topology.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
    dead_letters = await channel.declare_exchange(
        topology.dead_letter_exchange, aio_pika.ExchangeType.TOPIC, durable=True
    )
    for name, pattern in topology.queues.items():
        dead = await channel.declare_queue(f"{name}.dead", durable=True, arguments={"x-queue-type": "quorum"})
        await dead.bind(dead_letters, pattern)
        queue = await channel.declare_queue(
            name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": topology.dead_letter_exchange,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        await queue.bind(exchange, pattern)
    return exchange


async def migrate(settings: RabbitmqSettings) -> None:
    """Declare the topology at ``settings.rabbitmq_url``."""
    async with await aio_pika.connect(settings.rabbitmq_url, timeout=CONNECT_TIMEOUT_S) as connection:
        await declare_topology(await connection.channel())


def translate(event: Event) -> tuple[Outgoing, ...]:
    """The signals of an event."""
    return tuple(Outgoing(signal, event.traceparent) for signal in signals_for(event.change))


def message_of(outgoing: Outgoing) -> aio_pika.Message:
    """A signal as a message: persistent JSON with the ids for deduplication and correlation."""
    signal = outgoing.signal
    return aio_pika.Message(
        msgspec.json.encode(signal.body),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=signal.message_id,
        correlation_id=str(signal.payment_id),
        timestamp=signal.occurred_at,
        type=signal.type,
        app_id="billing",
        headers={"traceparent": outgoing.traceparent} if outgoing.traceparent else {},
    )


class SignalPublisher:
    """Publishes signals with confirms; a batch is delivered when the broker has confirmed each of them.

    Any failure closes the connection and raises :class:`~runtime.retry.DependencyUnavailable`. The next attempt
    reconnects and declares the topology again, so that a deleted queue is restored.
    """

    def __init__(self, url: str, topology: Topology = SIGNALS) -> None:
        self._url = url
        self._topology = topology
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def deliver(self, batch: Batch[tuple[Outgoing, ...]]) -> None:
        outgoing = [one for content in batch.contents for one in content]
        if not outgoing:
            return
        try:
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                await self._publish(self._exchange or await self._connect(), outgoing)
        except PUBLISH_ERRORS as error:
            await self.close()
            raise DependencyUnavailable(f"rabbitmq: {error!r}") from error

    async def close(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is None:
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.close()
        except PUBLISH_ERRORS as error:
            log.debug("the rabbitmq connection was already closed", error=repr(error))

    async def _connect(self) -> AbstractExchange:
        self._connection = await aio_pika.connect(
            self._url, timeout=CONNECT_TIMEOUT_S, client_properties={"connection_name": "billing sink"}
        )
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await declare_topology(channel, self._topology)
        return self._exchange

    async def _publish(self, exchange: AbstractExchange, outgoing: Sequence[Outgoing]) -> None:
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)

        async def publish(one: Outgoing) -> None:
            async with slots:
                await exchange.publish(message_of(one), one.signal.routing_key, mandatory=True)

        results = await asyncio.gather(*map(publish, outgoing), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            log.warning("signals refused", refused=len(failures), of=len(outgoing), first=repr(failures[0]))
            raise failures[0]
