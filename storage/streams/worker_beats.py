"""The workers that run and the types of messages that each knows, so that a new type is written only once all do.

All times are Postgres' own.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

#: A worker that has not beaten for this long is gone, seconds.
GONE_AFTER_S: Final = 30.0

_BEAT = text(
    """
    INSERT INTO worker_beats (worker, understood, beat_at) VALUES (:worker, :understood, now())
    ON CONFLICT (worker) DO UPDATE SET understood = EXCLUDED.understood, beat_at = EXCLUDED.beat_at
    """
).bindparams(bindparam("understood", type_=ARRAY(Text)))
_DROP_GONE = text("DELETE FROM worker_beats WHERE beat_at < now() - make_interval(secs => 10 * :gone_s)")
_DROP = text("DELETE FROM worker_beats WHERE worker = :worker")
_IS_UNDERSTOOD = text(
    """
    SELECT coalesce(bool_and(:type = ANY(understood)), false) FROM worker_beats
    WHERE beat_at >= now() - make_interval(secs => :gone_s)
    """
)


async def beat(connection: AsyncConnection, worker: str, understood: Collection[str]) -> None:
    """Record that a worker runs and knows these types of messages."""
    await connection.execute(_BEAT, {"worker": worker, "understood": sorted(understood)})
    await connection.execute(_DROP_GONE, {"gone_s": GONE_AFTER_S})


async def stopped(connection: AsyncConnection, worker: str) -> None:
    """Record that a worker has stopped."""
    await connection.execute(_DROP, {"worker": worker})


async def is_understood(connection: AsyncConnection, type: str) -> bool:
    """Whether every worker that runs knows this type of message; ``False`` while none runs."""
    return bool((await connection.execute(_IS_UNDERSTOOD, {"type": type, "gone_s": GONE_AFTER_S})).scalar_one())
