"""What the worker's metrics show of Postgres: positions, parked callbacks, open operations."""

from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_POSITIONS = text("SELECT consumer, topic, partition, next_offset, published_offset FROM stream_positions")
_PARKED = text("SELECT count(*) FROM parked_callbacks")
# Operations with a follow-up are those whose outcome is open: a partial index holds them alone.
_OPEN = text(
    """
    SELECT provider, status, count(*), min(created_at) FROM operations
    WHERE next_chase_at IS NOT NULL GROUP BY provider, status
    """
)


_CONTRADICTED = text(
    "SELECT provider, count(*) AS number FROM payments WHERE contradiction IS NOT NULL GROUP BY provider"
)


class StoredPosition(msgspec.Struct, frozen=True):
    """How far a consumer has processed a partition (``next_offset``) and published what followed."""

    consumer: str
    topic: str
    partition: int
    next_offset: int
    published_offset: int


class OpenOperations(msgspec.Struct, frozen=True):
    """The open operations of a provider in one status. ``oldest``: creation of the oldest, UTC."""

    provider: str
    status: str
    number: int
    oldest: datetime


async def stored_positions(connection: AsyncConnection) -> list[StoredPosition]:
    """The positions of all consumers."""
    return [StoredPosition(*row) for row in await connection.execute(_POSITIONS)]


async def count_parked_callbacks(connection: AsyncConnection) -> int:
    """Callbacks that wait for their payment."""
    return int((await connection.execute(_PARKED)).scalar_one())


async def contradicted_payments(connection: AsyncConnection) -> dict[str, int]:
    """Provider → payments in which it contradicts the books."""
    return {row.provider: row.number for row in await connection.execute(_CONTRADICTED)}


async def open_operations(connection: AsyncConnection) -> list[OpenOperations]:
    """Operations whose outcome is open, by provider and status."""
    return [OpenOperations(*row) for row in await connection.execute(_OPEN)]
