"""Follow-ups of open operations: sends the payments a message for each operation whose next status inquiry is due.

Those of a provider that is not called now stay due, and go out as soon as it is called again.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages import ExpirePayment, FollowUpOperation
from billing.messages.topics import INBOX
from runtime.kafka.publisher import OutboundMessage, Publisher, outbound
from runtime.periodic import run_periodically
from storage.payments.follow_ups import Due, due, lock
from streams.provider_calls.availability import Availability

EVERY_S: Final = 1.0
#: Who sends the scheduled ones.
SYSTEM: Final = "system:chaser"
LIMIT: Final = 500
#: Follow-ups sent per second to a provider whose breaker is open: one call shows whether it is back.
PROBES: Final = 1
#: A follow-up that was sent is not sent again before this: Kafka keeps it, and an inbox that lags would never catch up
#: with repeats.
RESEND_AFTER: Final = timedelta(minutes=30)


class FollowUps:
    """Sends :class:`FollowUpOperation` for operations that are due, and :class:`ExpirePayment` where the time to pay or to
    capture is over. Several workers may run it: one sends at a time, repeats are harmless. ``on_sent`` gets how many are in Kafka."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        availability: Availability,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_sent: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self._on_sent = on_sent
        self._engine = engine
        self._publisher = publisher
        self._availability = availability
        self._now = now
        self._sent: dict[tuple[UUID, int], datetime] = {}

    async def run(self) -> None:
        """Send every second, forever."""
        await run_periodically(EVERY_S, self.send_due, "postgres is unavailable, follow-ups are late")

    async def send_due(self) -> int:
        """Send the follow-ups that are due now; returns how many."""
        now = self._now()
        self._sent = {key: at for key, at in self._sent.items() if now - at < RESEND_AFTER}
        async with self._engine.begin() as connection:
            if not await lock(connection):
                return 0
            rows = [
                row for row in await self._due(connection, now) if (row.operation_id, row.follow_ups) not in self._sent
            ]
            await self._publisher.publish([_message(row, now) for row in rows])
        self._sent.update({(row.operation_id, row.follow_ups): now for row in rows})
        self._on_sent(len(rows))
        return len(rows)

    async def _due(self, connection: AsyncConnection, now: datetime) -> Sequence[Due]:
        off, failing = self._availability.switched_off, self._availability.failing
        rows = await due(connection, now, LIMIT, without=off | failing)
        for provider in sorted(failing - off):
            rows += await due(connection, now, PROBES, only=provider)
        return rows


def _message(row: Due, now: datetime) -> OutboundMessage:
    if not row.is_over:
        return follow_up_message(row.payment_id, row.operation_id, row.follow_ups, now)
    return _outbound(ExpirePayment(row.payment_id), f"{row.operation_id}/expire/{row.follow_ups}", now)


def follow_up_message(
    payment_id: UUID,
    operation_id: UUID,
    follow_up: int,
    now: datetime,
    *,
    on_demand: bool = False,
    operator: str | None = None,
    reason: str | None = None,
) -> OutboundMessage:
    """The message that follows up an operation for the ``follow_up``-th time, counted from 0. Repeats carry the same
    id. ``on_demand``: whatever the schedule; ``operator`` and ``reason`` of the person who asks, where one does."""
    message = FollowUpOperation(payment_id, operation_id, follow_up, on_demand, operator, reason)
    actor = SYSTEM if operator is None else f"operator:{operator}"
    return _outbound(message, f"{operation_id}/chase/{follow_up}", now, actor)


def _outbound(
    message: FollowUpOperation | ExpirePayment, id: str, now: datetime, actor: str = SYSTEM
) -> OutboundMessage:
    return outbound(INBOX, message, id=id, source="/streams/chaser", time=now, actor=actor)
