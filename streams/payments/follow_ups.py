"""The chaser: sees in Postgres which operations are due to be asked about, and says so to their payments."""

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import Envelope, FollowUpOperation
from billing.messages.topics import INBOX
from runtime.kafka.publisher import OutboundMessage, Publisher
from runtime.periodic import run_periodically
from storage.payments.follow_ups import due, held_back

EVERY_S: Final = 1.0
LIMIT: Final = 500
#: A chase that is on its way is not sent again before this: the inbox may be behind.
PATIENCE: Final = timedelta(minutes=1)


class Chaser:
    """Sends :class:`FollowUpOperation` for what is due, and for what was held back from a provider that has ``returned``
    (since when). Several may run: one works at a time, repeats are harmless."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        returned: MutableMapping[str, datetime],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._returned = returned
        self._now = now
        self._sent: dict[tuple[UUID, int], datetime] = {}

    async def run(self) -> None:
        """Look every second, for ever."""
        await run_periodically(EVERY_S, self._look, "postgres is away, chases wait")

    async def _look(self) -> None:
        await self.chase()
        await self.release()

    async def release(self) -> int:
        """Send what was held back from providers that have returned, so many at once; returns how many. The next try
        of the schedule may be hours away."""
        released = 0
        for provider, since in list(self._returned.items()):
            async with self._engine.connect() as connection:
                rows = await held_back(connection, provider, since, LIMIT)
            await self._publisher.publish([chase_message(*row, self._now()) for row in rows])
            released += len(rows)
            if len(rows) < LIMIT and self._returned.get(provider) == since:
                del self._returned[provider]
        return released

    async def chase(self) -> int:
        """Send what is due now; returns how many."""
        now = self._now()
        self._sent = {key: at for key, at in self._sent.items() if now - at < PATIENCE}
        async with self._engine.begin() as connection:
            rows = [row for row in await due(connection, now, LIMIT) if (row[1], row[2]) not in self._sent]
            await self._publisher.publish([chase_message(*row, now) for row in rows])
        self._sent.update({(operation_id, chases): now for _, operation_id, chases in rows})
        return len(rows)


def chase_message(payment_id: UUID, operation_id: UUID, chases: int, now: datetime) -> OutboundMessage:
    """Ask a payment to look after an operation that was asked about ``chases`` times. Repeats carry the same id."""
    subject = str(payment_id)
    envelope = Envelope.wrap(
        FollowUpOperation(payment_id, operation_id, chases),
        id=f"{operation_id}/chase/{chases}",
        source="/streams/chaser",
        subject=subject,
        time=now,
        actor="system:chaser",
    )
    return OutboundMessage(INBOX.name, subject, msgspec.Raw(envelope.encode()))
