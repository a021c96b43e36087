"""Operations that are not final, and when the provider is to be queried about them."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# The time is over of an order that can no longer be paid, and of a hold.
_DUE = text(
    """
    SELECT o.payment_id, o.id, o.chases, o.provider = p.provider
           AND (p.status = 'AUTHORIZED' AND o.status = 'SUCCESS' AND o.type = 'AUTHORIZE'
                OR p.status = 'PENDING' AND o.action = 'CREATE' AND p.expires_at <= :now)
    FROM operations o JOIN payments p ON p.id = o.payment_id
    WHERE o.next_chase_at <= :now AND o.provider <> ALL (:except) AND (:only IS NULL OR o.provider = :only)
    ORDER BY o.next_chase_at LIMIT :limit
    """
).bindparams(bindparam("except", type_=ARRAY(Text)), bindparam("only", type_=Text))
_HELD_BACK = text(
    """
    SELECT payment_id, id, chases FROM operations
    WHERE provider = :provider AND outcome = 'NOT_SENT' AND next_chase_at IS NOT NULL AND updated_at < :before
    ORDER BY next_chase_at
    """
)
# Every order that was opened, and what is not final.
_QUESTIONS = text(
    """
    SELECT payment_id, id, chases FROM operations
    WHERE payment_id = :payment AND (next_chase_at IS NOT NULL OR action IN ('CREATE', 'RECUR')) ORDER BY created_at, id
    """
)
_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
#: One process queries at a time (a Postgres advisory lock).
CHASE_LOCK = 0x63686173


class Due(NamedTuple):
    """An operation to ask about. ``follow_ups``: so far; ``is_over``: the time to pay, or of the hold, is over."""

    payment_id: UUID
    operation_id: UUID
    follow_ups: int
    is_over: bool


async def lock(connection: AsyncConnection) -> bool:
    """Whether this process may query, until its transaction ends."""
    return bool((await connection.execute(_LOCK, {"key": CHASE_LOCK})).scalar_one())


async def due(
    connection: AsyncConnection, now: datetime, limit: int, *, without: Collection[str] = (), only: str | None = None
) -> list[Due]:
    """The operations that are due, the longest due first: of all providers but those ``without``, or ``only`` of one."""
    values = {"now": now, "limit": limit, "except": list(without), "only": only}
    return [Due(*row) for row in await connection.execute(_DUE, values)]


async def held_back(connection: AsyncConnection, provider: str, before: datetime) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of the operations that could not be sent to a provider before
    ``before`` (UTC) and will be tried again, the soonest due first."""
    rows = await connection.execute(_HELD_BACK, {"provider": provider, "before": before})
    return [(payment_id, operation_id, chases) for payment_id, operation_id, chases in rows]


async def questions(connection: AsyncConnection, payment: UUID) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of the operations by which everything about a payment is asked."""
    rows = await connection.execute(_QUESTIONS, {"payment": payment})
    return [(payment_id, operation_id, chases) for payment_id, operation_id, chases in rows]
