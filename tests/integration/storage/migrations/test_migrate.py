"""Migrating under load and at start: locks are not waited for long, an older schema is refused, a newer one accepted."""

import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.postgres import SchemaMismatch
from runtime.process import EXIT_CONFIG
from runtime.settings import Settings
from storage import migrate as module
from storage.migrate import TableInUse, migrate
from storage.schema import REVISION, require_schema


def url(engine):
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


async def set_revision(engine, revision):
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


@pytest.fixture
async def behind(database):
    """A database whose next migration has a table to change."""
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE journal ADD CONSTRAINT journal_pkey UNIQUE (recorded_at, type)"))
        await connection.execute(text("DROP TABLE parked_messages, process_leases"))  # of the later ones
    await set_revision(database, "0007")
    return database


async def test_a_step_gives_up_a_table_that_is_in_use_and_gets_it_later(behind):
    holder = create_async_engine(behind.url)
    async with holder.connect() as connection:
        await connection.execute(text("LOCK TABLE journal IN ACCESS SHARE MODE"))
        migration = asyncio.create_task(migrate(behind))
        waits = text("SELECT count(*) FROM pg_locks WHERE relation = 'journal'::regclass AND NOT granted")
        async with behind.connect() as observer:
            for granted in (False, True):  # it asks for the table, and then stops asking
                async with asyncio.timeout(20):
                    while ((await observer.execute(waits)).scalar_one() == 0) is not granted:
                        await asyncio.sleep(0.02)
        assert not migration.done()
    await migration
    async with behind.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == REVISION
    await holder.dispose()


async def test_a_table_that_stays_in_use_ends_the_migration_with_its_reason(behind, monkeypatch):
    monkeypatch.setattr(module, "LOCK_PATIENCE_S", 0.0)
    holder = create_async_engine(behind.url)
    async with holder.connect() as connection:
        await connection.execute(text("LOCK TABLE journal IN ACCESS SHARE MODE"))
        with pytest.raises(TableInUse, match="lock timeout"):
            await migrate(behind)
    await holder.dispose()


async def test_two_migrations_at_once_both_end(behind):
    await asyncio.gather(migrate(behind), migrate(behind))


async def test_an_older_schema_is_refused_at_the_start_and_the_command_is_named(database):
    await set_revision(database, "0006")
    with pytest.raises(SchemaMismatch, match=f"at revision 0006, this release needs {REVISION}.*run `billing migrate`"):
        await require_schema(Settings(postgres_url=url(database)))


async def test_a_database_that_was_never_migrated_is_refused_at_the_start(database):
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(SchemaMismatch, match="at revision none"):
        await require_schema(Settings(postgres_url=url(database)))


async def test_a_newer_schema_is_accepted_and_left_as_it_is(database):
    await set_revision(database, "9999")
    await require_schema(Settings(postgres_url=url(database)))
    await migrate(database)
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == "9999"


@pytest.mark.parametrize("process", ["ingest", "worker", "signals", "analytics", "admin"])
async def test_every_process_exits_with_its_code_where_the_schema_is_older(database, process, tmp_path):
    await set_revision(database, "0006")
    environment = {"BILLING_POSTGRES_URL": url(database), "BILLING_STATE_DIR": str(tmp_path), "PATH": ""}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "run", process],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == EXIT_CONFIG, done.stdout + done.stderr
    assert "run `billing migrate`" in done.stdout + done.stderr
