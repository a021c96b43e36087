"""Migrates the Postgres schema to the revision of this release."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.postgres import sqlstate
from runtime.retry import Retry
from storage.journal.partitions import create_partitions
from storage.schema import REVISION, stored_revision

log = structlog.get_logger(__name__)

#: Serialises migrations started at once by several processes (a Postgres advisory lock).
MIGRATION_LOCK: Final = 0x62696C6C
LOCK_PAUSE_S: Final = 0.2
_LOCK = text("SELECT pg_try_advisory_lock(:key)")
#: How long a step waits for a table: every later statement on the table queues up behind it.
LOCK_TIMEOUT: Final = "2s"
#: For so long a step that did not get its table is tried again.
LOCK_PATIENCE_S: Final = 60.0
_LOCK_NOT_AVAILABLE: Final = "55P03"


class TableInUse(Exception):
    """A step did not get its table within :data:`LOCK_TIMEOUT`: another transaction holds it."""


async def migrate(engine: AsyncEngine) -> None:
    """Run the missing migrations and create the journal's coming partitions; safe to call from several processes, and
    again after a failure. A schema newer than this release is left as it is.

    Give it an engine without a command timeout: building an index may take long. Raises :class:`TableInUse`.
    """
    async with engine.connect() as guard:
        await guard.execution_options(isolation_level="AUTOCOMMIT")
        # Polled: a statement that waits for the lock holds a snapshot, and a concurrent index build in the process that
        # has the lock would wait for that snapshot.
        while not (await guard.execute(_LOCK, {"key": MIGRATION_LOCK})).scalar_one():  # noqa: ASYNC110
            await asyncio.sleep(LOCK_PAUSE_S)
        try:
            await Retry("migrate", (TableInUse,), patience_s=LOCK_PATIENCE_S).run(lambda: _migrate(engine))
        finally:
            await guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})


async def _migrate(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        revision = await stored_revision(connection)
        await connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        await connection.commit()
        try:
            if revision is not None and revision > REVISION:
                log.warning("the schema is newer than this release", revision=revision, release=REVISION)
            else:
                await connection.run_sync(_upgrade)
            await connection.commit()
            async with connection.begin():
                await create_partitions(connection, datetime.now(UTC).date())
        except DBAPIError as error:
            if sqlstate(error) == _LOCK_NOT_AVAILABLE:
                raise TableInUse(str(error.orig)) from error
            raise
        finally:
            await connection.invalidate()  # its lock_timeout must not return to the pool


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
