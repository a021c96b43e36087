"""Messages of an unknown type: a newer release wrote them, or nobody did.

A consumer that meets one parks it in Postgres and goes on. Each minute, a process of the same consumer that knows the
type returns its messages to the end of their topic, where they are processed like any other; what the consumer has not
learned within an hour becomes a dead letter. Other consumers of the topic see a returned message twice, under its id.

Order: messages of unknown types keep theirs among each other, and later messages of types that are known go first. That
harms nobody: an inbox has several writers, so a message is decided on the state it meets, whatever comes before it; and
to hold back a payment's provider results and callbacks for a release would. An event carries the version of what it
tells of.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import UnknownMessageType
from billing.messages import decode_envelope
from runtime.kafka.dead_letters import DeadLetterWriter
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.kafka.record import Incoming
from runtime.periodic import run_periodically
from storage.streams.parked_messages import ParkedMessage, Resolution, due, insert, resolve

log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
LIMIT: Final = 500


async def park(connection: AsyncConnection, consumer: str, topic: str, incoming: Incoming, now: datetime) -> None:
    """Keep a message of an unknown type in the caller's transaction; a repeat changes nothing."""
    envelope = decode_envelope(incoming.value)
    log.warning("message of an unknown type parked", consumer=consumer, type=envelope.type, offset=incoming.offset)
    await insert(connection, consumer, topic, incoming, envelope.id, envelope.type, now)


class ParkedMessages:
    """Returns one consumer's parked messages of the types in ``understood``, and writes dead letters for those that
    expired. Several processes may run it: one does it at a time. A crash returns a message twice, under the same id."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        dead_letters: DeadLetterWriter,
        consumer: str,
        understood: Collection[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._consumer = consumer
        self._understood = understood
        self._now = now

    async def run(self) -> None:
        """Return what can be returned every minute, forever."""
        await run_periodically(EVERY_S, self.return_due, "postgres is unavailable, parked messages are late")

    async def return_due(self) -> int:
        """Return or expire at most :data:`LIMIT` messages; returns how many."""
        now = self._now()
        async with self._engine.begin() as connection:
            messages = await due(connection, self._consumer, self._understood, now, LIMIT)
            resolved: list[tuple[ParkedMessage, Resolution]] = []
            for message in messages:
                if message.type in self._understood:
                    resolved.append((message, "returned"))
                else:
                    cause = UnknownMessageType(f"{message.type!r}, parked since {message.parked_at:%Y-%m-%dT%H:%M:%SZ}")
                    await self._dead_letters.write(message.consumer, message.topic, message.incoming, cause)
                    resolved.append((message, "dead-letter"))
            await self._publisher.publish([_returned(m) for m, resolution in resolved if resolution == "returned"])
            await resolve(connection, resolved, now)
        if messages:
            log.info("parked messages resolved", consumer=self._consumer, messages=len(messages))
        return len(messages)


def _returned(message: ParkedMessage) -> OutboundMessage:
    incoming = message.incoming
    key = (incoming.key or b"").decode(errors="replace")
    return OutboundMessage(message.topic, key, msgspec.Raw(incoming.value), incoming.partition)
