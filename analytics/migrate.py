"""Migrates the ClickHouse schema to the version that this release needs."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import structlog
from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.clickhouse import DEFAULT_DATABASE, connect, database_of
from analytics.cluster import on_cluster
from runtime.settings import ClickHouseSettings

log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")
_DATABASE: Final = re.compile(r"\w+")
_CLUSTER: Final = re.compile(r"[\w-]+")

# ClickHouse has no transactions over DDL: two processes may run the same migration, and one may stop half way. So
# every statement must be repeatable (IF NOT EXISTS, OR REPLACE), and a duplicate row in this table is harmless.
_MIGRATIONS_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS schema_migrations
    (
        number UInt32,
        name String,
        sha256 String,
        applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
    )
    ENGINE = ReplacingMergeTree(applied_at)
    ORDER BY number
"""


class MigrationChanged(Exception):
    """The text of an applied migration has changed: write a new migration instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``analytics/migrations``. Each statement ends with a semicolon at the end of a line."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        parts = (part.strip() for part in re.split(r";[ \t]*$", self.sql, flags=re.MULTILINE))
        return [part for part in parts if part]


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The migrations in order; their numbers must be consecutive."""
    found: Iterable[Traversable] = (folder or resources.files("analytics") / "migrations").iterdir()
    migrations = sorted(
        (
            Migration(int(match[1]), path.name, path.read_text("utf-8"))
            for path in found
            if (match := _NAME.fullmatch(path.name))
        ),
        key=lambda migration: migration.number,
    )
    numbers = [migration.number for migration in migrations]
    assert numbers == list(range(1, len(numbers) + 1)), f"migrations are not numbered from 1 on: {numbers}"
    return migrations


async def migrate(settings: ClickHouseSettings) -> None:
    """Create the database if it is missing and run the missing migrations; several processes may do so at once.
    Raises :class:`MigrationChanged` before it changes anything."""
    cluster = settings.clickhouse_cluster
    await _create_database(settings.clickhouse_url, cluster)
    client = await connect(settings.clickhouse_url)
    try:
        for statement in _for(_MIGRATIONS_TABLE, cluster):
            await client.command(statement)
        rows = (await client.query("SELECT number, sha256 FROM schema_migrations FINAL")).result_rows
        applied: dict[int, str] = {int(number): str(sha256) for number, sha256 in rows}
        migrations = read_migrations()
        for migration in migrations:
            if applied.get(migration.number, migration.sha256) != migration.sha256:
                raise MigrationChanged(f"{migration.name} was applied with a different text")
        for migration in migrations:
            if migration.number not in applied:
                await _apply(client, migration, cluster)
    finally:
        await client.close()


def _for(statement: str, cluster: str) -> list[str]:
    return on_cluster(statement, cluster) if cluster else [statement]


async def _apply(client: AsyncClient, migration: Migration, cluster: str) -> None:
    for written in migration.statements:
        for statement in _for(written, cluster):
            await client.command(statement)
    await client.insert(
        "schema_migrations",
        [[migration.number, migration.name, migration.sha256]],
        column_names=["number", "name", "sha256"],
        column_type_names=["UInt32", "String", "String"],
    )
    log.info("clickhouse migrated", migration=migration.name)


async def _create_database(url: str, cluster: str) -> None:
    database = database_of(url)
    assert not cluster or _CLUSTER.fullmatch(cluster), f"not a cluster name: {cluster!r}"
    there = f" ON CLUSTER '{cluster}'" if cluster else ""
    assert _DATABASE.fullmatch(database), f"not a database name: {database!r}"
    client = await connect(url, database=DEFAULT_DATABASE)
    try:
        await client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`{there}")
    finally:
        await client.close()
