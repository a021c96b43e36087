"""Callbacks received before their payment was known: stored, and tried again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection


class ParkedCallback(msgspec.Struct, frozen=True):
    """``id``: the CloudEvents id it was received under. ``next_try_at`` in UTC. ``position``: partition and offset it was
    received at; ``None`` where an earlier release parked it."""

    id: str
    provider: str
    body: bytes
    received_at: datetime
    next_try_at: datetime
    tries: int = 0
    position: tuple[int, int] | None = None


_PARK = text(
    """
    INSERT INTO parked_callbacks
        (id, provider, body, received_at, tries, next_try_at, stream_partition, stream_offset)
    VALUES (:id, :provider, :body, :received_at, :tries, :next_try_at, :stream_partition, :stream_offset)
    ON CONFLICT (id) DO UPDATE SET tries = EXCLUDED.tries, next_try_at = EXCLUDED.next_try_at
    """
)
_DUE = text(
    """
    SELECT id, provider, body, received_at, next_try_at, tries, stream_partition, stream_offset FROM parked_callbacks
    WHERE next_try_at <= :now ORDER BY next_try_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_DROP = text("DELETE FROM parked_callbacks WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(Text)))


async def park(connection: AsyncConnection, callbacks: Sequence[ParkedCallback]) -> None:
    """Store callbacks; for those already stored, their number of tries and next try."""
    if callbacks:
        await connection.execute(_PARK, [_row(callback) for callback in callbacks])


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[ParkedCallback]:
    """The callbacks that are due, locked until the transaction ends."""
    rows = await connection.execute(_DUE, {"now": now, "limit": limit})
    return [
        ParkedCallback(
            id, provider, body, received_at, next_try_at, tries, None if partition is None else (partition, offset)
        )
        for id, provider, body, received_at, next_try_at, tries, partition, offset in rows
    ]


async def unpark(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Delete the callbacks that need no further try."""
    if ids:
        await connection.execute(_DROP, {"ids": list(ids)})


def _row(callback: ParkedCallback) -> dict[str, Any]:
    partition, offset = callback.position or (None, None)
    row = msgspec.structs.asdict(callback)
    del row["position"]
    return {**row, "stream_partition": partition, "stream_offset": offset}
