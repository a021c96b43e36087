"""Fills the books with payments that are over, to measure what a long history costs."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.inspection.bench import copy_sample, take_sample


class NothingToCopy(Exception):
    """No payment was captured before."""


async def fill(engine: AsyncEngine, wanted: int, say: Callable[[str], None]) -> int:
    """Store at least ``wanted`` copies of captured payments with all their rows; how many they became."""
    stored = number = 0
    async with engine.connect() as connection:
        sample = await take_sample(connection)
        await connection.commit()
        if not sample:
            raise NothingToCopy
        while stored < wanted:
            number += 1
            await copy_sample(connection, number)
            await connection.commit()
            stored += sample
            say(f"{stored:,} of {wanted:,} payments stored")
    say("statistics for Postgres")
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    return stored
