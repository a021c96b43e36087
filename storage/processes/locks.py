"""Locks of work that one process does at a time: Postgres' advisory locks of a session.

Not of a transaction: one that stays open as long as the work keeps Postgres from removing dead rows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import IntEnum

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_TRY = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")
_TRY_PART = text("SELECT pg_try_advisory_lock(:key, hashtext(:part))")
_UNLOCK_PART = text("SELECT pg_advisory_unlock(:key, hashtext(:part))")
# Postgres shows the two keys of a lock as unsigned numbers.
_IS_HELD = text(
    """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid = CAST(:key AS oid) AND objid = CAST(CAST(hashtext(:part) AS bigint) & 4294967295 AS oid)
    )
    """
)


class Lock(IntEnum):
    """Every such work, and the key of its lock."""

    RENEWALS = 0x72656E65
    DAILY_RECORD = 0x64617265
    TEST_CLOCKS = 0x636C6F63
    CLEARING = 0x636C6561
    CLEARING_EVENTS = 0x636C6576
    MONITOR = 0x6D6F6E69
    BULK_REFUNDS = 0x62756C6B


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


@asynccontextmanager
async def writing(engine: AsyncEngine, lock: Lock, part: str) -> AsyncIterator[AsyncConnection | None]:
    """The connection that holds the lock of a part of the work; ``None`` where another has it. Whoever writes by this
    connection alone writes nothing once the lock is lost: it is lost with the connection, so a process that slept through
    its end fails at its next statement. Transactions are the caller's."""
    values = {"key": lock.value, "part": part}
    async with engine.connect() as connection:
        async with connection.begin():
            got = bool((await connection.execute(_TRY_PART, values)).scalar_one())
        if not got:
            yield None
            return
        try:
            yield connection
        finally:
            with suppress(DBAPIError):
                await connection.rollback()
                async with connection.begin():
                    await connection.execute(_UNLOCK_PART, values)


async def is_held(connection: AsyncConnection, lock: Lock, part: str) -> bool:
    """Whether a process does this part of the work now."""
    return bool((await connection.execute(_IS_HELD, {"key": lock.value, "part": part})).scalar_one())
