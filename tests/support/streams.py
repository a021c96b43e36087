"""A payments agent on a real database, with Kafka imitated at its edges: a log of messages in, a list of outputs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import Envelope, Message, decode_envelope
from billing.payments.model import Payment
from runtime.kafka.publisher import OutboundMessage
from runtime.kafka.record import Incoming
from storage.payments.rows import load_payments
from streams.delivery.aggregate_agent import AggregateAgent
from streams.payments.agent import PaymentChange, Payments
from tests.support.factories import NOW


class ProcessExited(Exception):
    """The process would have left here."""


class Crash(BaseException):
    """The process dies here."""


def exit_process(reason: str) -> None:
    raise ProcessExited(reason)


class DeadLetters:
    """The dead letters that an agent wrote, each with its cause."""

    def __init__(self) -> None:
        self.written: list[tuple[Incoming, Exception]] = []

    async def write(self, consumer: str, topic: str, message: Incoming, cause: Exception) -> tuple[int, int]:
        self.written.append((message, cause))
        return 0, len(self.written) - 1


class Publisher:
    """Kafka, as the agent sees it. ``crash_on_publish``: die instead of publishing."""

    def __init__(self) -> None:
        self.published: list[OutboundMessage] = []
        self.dead_letters = DeadLetters()
        self.crash_on_publish = False

    async def publish(self, outputs: Sequence[OutboundMessage]) -> None:
        if self.crash_on_publish:
            raise Crash
        self.published += outputs

    def ids(self) -> list[str]:
        return [decode_envelope(bytes(output.value)).id for output in self.published]


class Log:
    """One partition of the inbox."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.messages: list[Incoming] = []

    def write(self, *messages: Message) -> list[Incoming]:
        """Append messages; returns them as they would be delivered."""
        return [self.write_raw(self.encode(message)) for message in messages]

    def write_raw(self, value: bytes) -> Incoming:
        incoming = Incoming(self.partition, len(self.messages), b"key", value)
        self.messages.append(incoming)
        return incoming

    def encode(self, message: Message) -> bytes:
        id = f"message-{len(self.messages)}"
        return Envelope.wrap(message, id=id, source="/test", subject=str(message.subject_id), time=NOW).encode()


class World:
    """The database, the log, and agents that come and go."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.log = Log()
        self.publisher = Publisher()

    async def agent(
        self, publisher: Publisher | None = None, now: Callable[[], datetime] = lambda: NOW
    ) -> AggregateAgent[Payment, PaymentChange]:
        """A worker that was just given the partition."""
        publisher = publisher or self.publisher
        agent = AggregateAgent(Payments(), self.engine, publisher, publisher.dead_letters, exit_process, now=now)  # type: ignore[arg-type]
        await agent.restore([0])
        return agent

    async def deliver(self, agent: AggregateAgent[Any, Any], *messages: Message) -> None:
        await agent.process(self.log.write(*messages))

    async def payment(self, payment_id: UUID) -> Payment:
        async with self.engine.connect() as connection:
            return (await load_payments(connection, [payment_id]))[payment_id]

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(sql), parameters)]

    async def position(self) -> tuple[int, int]:
        ((following, published),) = await self.rows("SELECT next_offset, published_offset FROM stream_positions")
        return following, published


def requests(outputs: Sequence[OutboundMessage]) -> list[dict[str, Any]]:
    """The data of the provider requests among the outputs."""
    return [
        msgspec.json.decode(decode_envelope(bytes(o.value)).data)
        for o in outputs
        if o.topic == "billing.provider.requests"
    ]
