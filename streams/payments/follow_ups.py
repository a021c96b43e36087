"""Follow-ups of open operations: sends the payments a message for each operation whose next status inquiry is due."""

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
#: A follow-up that was sent is not sent again before this: the inbox may lag.
RESEND_AFTER: Final = timedelta(minutes=1)


class FollowUps:
    """Sends :class:`FollowUpOperation` for operations that are due, and for those held back from a provider that has
    ``returned`` (provider → since when, UTC). Several workers may run it: one sends at a time, repeats are harmless."""

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
        """Send every second, forever."""
        await run_periodically(EVERY_S, self._send, "postgres is unavailable, follow-ups are late")

    async def _send(self) -> None:
        await self.send_due()
        await self.send_held_back()

    async def send_held_back(self) -> int:
        """Send at most :data:`LIMIT` follow-ups per provider that has returned; returns how many. Without it their next
        try could be hours later, by the schedule."""
        sent = 0
        for provider, since in list(self._returned.items()):
            async with self._engine.connect() as connection:
                rows = await held_back(connection, provider, since, LIMIT)
            await self._publisher.publish([follow_up_message(*row, self._now()) for row in rows])
            sent += len(rows)
            if len(rows) < LIMIT and self._returned.get(provider) == since:
                del self._returned[provider]
        return sent

    async def send_due(self) -> int:
        """Send the follow-ups that are due now; returns how many."""
        now = self._now()
        self._sent = {key: at for key, at in self._sent.items() if now - at < RESEND_AFTER}
        async with self._engine.begin() as connection:
            rows = [row for row in await due(connection, now, LIMIT) if (row[1], row[2]) not in self._sent]
            await self._publisher.publish([follow_up_message(*row, now) for row in rows])
        self._sent.update({(operation_id, count): now for _, operation_id, count in rows})
        return len(rows)


def follow_up_message(payment_id: UUID, operation_id: UUID, follow_up: int, now: datetime) -> OutboundMessage:
    """The message that follows up an operation for the ``follow_up``-th time, counted from 0. Repeats carry the same
    id."""
    subject = str(payment_id)
    envelope = Envelope.wrap(
        FollowUpOperation(payment_id, operation_id, follow_up),
        id=f"{operation_id}/chase/{follow_up}",
        source="/streams/chaser",
        subject=subject,
        time=now,
        actor="system:chaser",
    )
    return OutboundMessage(INBOX.name, subject, msgspec.Raw(envelope.encode()))
