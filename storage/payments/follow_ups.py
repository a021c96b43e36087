"""Operations that are not final, and when the provider is to be queried about them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_DUE = text(
    """
    SELECT payment_id, id, chases FROM operations WHERE next_chase_at <= :now ORDER BY next_chase_at LIMIT :limit
    """
)
_HELD_BACK = text(
    """
    SELECT payment_id, id, chases FROM operations
    WHERE provider = :provider AND outcome = 'NOT_SENT' AND next_chase_at IS NOT NULL AND updated_at < :before
    ORDER BY next_chase_at LIMIT :limit
    """
)
_OPEN = text("SELECT payment_id, id, chases FROM operations WHERE payment_id = :payment AND next_chase_at IS NOT NULL")
_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
#: One process queries at a time (a Postgres advisory lock).
CHASE_LOCK = 0x63686173


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of the operations that are due, the longest due first. Empty while
    another process holds the lock."""
    if not (await connection.execute(_LOCK, {"key": CHASE_LOCK})).scalar_one():
        return []
    rows = await connection.execute(_DUE, {"now": now, "limit": limit})
    return [(payment_id, operation_id, chases) for payment_id, operation_id, chases in rows]


async def held_back(
    connection: AsyncConnection, provider: str, before: datetime, limit: int | None = None
) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of the operations that could not be sent to a provider before
    ``before`` (UTC) and will be tried again: at most ``limit``, the soonest due first."""
    rows = await connection.execute(_HELD_BACK, {"provider": provider, "before": before, "limit": limit})
    return [(payment_id, operation_id, chases) for payment_id, operation_id, chases in rows]


async def open_operations(connection: AsyncConnection, payment: UUID) -> list[tuple[UUID, UUID, int]]:
    """(payment id, operation id, follow-ups so far) of a payment's operations that are not final."""
    rows = await connection.execute(_OPEN, {"payment": payment})
    return [(payment_id, operation_id, chases) for payment_id, operation_id, chases in rows]
