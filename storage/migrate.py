"""Brings the Postgres schema to the version this code needs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.journal.partitions import make_partitions

#: Serialises migrations started at once by several processes (a Postgres advisory lock).
MIGRATION_LOCK: Final = 0x62696C6C
LOCK_PAUSE_S: Final = 0.2
_LOCK = text("SELECT pg_try_advisory_lock(:key)")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def migrate(engine: AsyncEngine) -> None:
    """Run the missing migrations and make the journal's coming partitions; safe to call from several processes."""

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.connect() as guard:
        await guard.execution_options(isolation_level="AUTOCOMMIT")
        # Polled: a statement that waits for the lock holds a snapshot, and a concurrent index build in the process that
        # has the lock would wait for that snapshot.
        while not (await guard.execute(_LOCK, {"key": MIGRATION_LOCK})).scalar_one():  # noqa: ASYNC110
            await asyncio.sleep(LOCK_PAUSE_S)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(upgrade)
            async with engine.begin() as connection:
                await make_partitions(connection, datetime.now(UTC).date())
        finally:
            await guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
