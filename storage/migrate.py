"""Brings the Postgres schema to the version this code needs."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.journal.partitions import make_partitions

#: Serialises migrations started at once by several processes (a Postgres advisory lock).
MIGRATION_LOCK = 0x62696C6C


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
        await guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            async with engine.begin() as connection:
                await connection.run_sync(upgrade)
                await make_partitions(connection, datetime.now(UTC).date())
        finally:
            await guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
