"""Resolutions of dead letters. The letters are in Kafka."""

from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

DeadLetterId = tuple[int, int]
"""``(partition, offset)`` in ``billing.dead-letters``."""


class Resolution(msgspec.Struct, frozen=True):
    """What an operator did with a dead letter, when (UTC), and why. A discard always has a ``reason``."""

    action: Literal["replayed", "discarded"]
    actor: str
    resolved_at: datetime
    reason: str | None = None


_ALL = text("SELECT dead_partition, dead_offset, action, actor, resolved_at, reason FROM dead_letter_resolutions")
_RESOLVE = text(
    """
    INSERT INTO dead_letter_resolutions (dead_partition, dead_offset, action, actor, reason, resolved_at)
    VALUES (:partition, :offset, :action, :actor, :reason, :resolved_at)
    ON CONFLICT DO NOTHING RETURNING 1
    """
)


async def resolutions(connection: AsyncConnection) -> dict[DeadLetterId, Resolution]:
    """The resolution of every dead letter that has one."""
    rows = await connection.execute(_ALL)
    return {(row[0], row[1]): Resolution(row[2], row[3], row[4], row[5]) for row in rows}


async def resolve(connection: AsyncConnection, place: DeadLetterId, resolution: Resolution) -> bool:
    """Record a resolution in the caller's transaction; ``False`` if the letter already has one."""
    values = {"partition": place[0], "offset": place[1], **msgspec.structs.asdict(resolution)}
    return (await connection.execute(_RESOLVE, values)).first() is not None
