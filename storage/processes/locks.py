"""Locks of work that one process does at a time: Postgres' advisory locks of a session.

Not of a transaction: one that stays open as long as the work keeps Postgres from removing dead rows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_TRY = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")


class Lock(IntEnum):
    """Every such work, and the key of its lock."""

    RENEWALS = 0x72656E65
    DAILY_RECORD = 0x64617265
    TEST_CLOCKS = 0x636C6F63


@asynccontextmanager
async def held(engine: AsyncEngine, lock: Lock) -> AsyncIterator[bool]:
    """Whether this process got the lock. It is given back at the end of the block, and by a process that dies."""
    statements = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with statements.connect() as connection:
        got = bool((await connection.execute(_TRY, {"key": lock.value})).scalar_one())
        try:
            yield got
        finally:
            if got:
                await connection.execute(_UNLOCK, {"key": lock.value})
