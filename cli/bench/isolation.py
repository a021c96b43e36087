"""Kafka topics, and databases in Postgres and ClickHouse, of the benchmark's own, so no process acts on its data."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import NewTopic

from analytics.clickhouse import connect
from analytics.migrate import migrate
from runtime.kafka.clients import new_admin_client
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.migrate import migrate as migrate_postgres

#: Prefix of the benchmark's own topics.
PREFIX: Final = "bench."
DATABASE: Final = "billing_bench"
#: Retention of the topics, milliseconds, if the benchmark dies before it removes them.
RETENTION_MS: Final = 600_000
#: Seconds for one insert of the benchmark while merges run.
STATEMENT_TIMEOUT_S: Final = 300


@asynccontextmanager
async def own_topics(settings: Settings, names: Sequence[str]) -> AsyncIterator[None]:
    """Create the topics, and delete them afterwards."""
    admin = new_admin_client(settings)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(name, settings.kafka_partitions, settings.kafka_replication,
                         topic_configs={"retention.ms": str(RETENTION_MS)})
                for name in names
            ]
        )  # fmt: skip
        yield
    finally:
        await admin.delete_topics(list(names))
        await admin.close()


@asynccontextmanager
async def own_database(settings: Settings) -> AsyncIterator[str]:
    """The URL of a new database with the schema; dropped afterwards."""
    url = urlunsplit(urlsplit(settings.clickhouse_url)._replace(path=f"/{DATABASE}"))
    server = await connect(settings.clickhouse_url, receive_timeout_s=STATEMENT_TIMEOUT_S)
    try:
        await server.command(f"DROP DATABASE IF EXISTS {DATABASE}")
        await migrate(settings.model_copy(update={"clickhouse_url": url}))
        yield url
    finally:
        await server.command(f"DROP DATABASE IF EXISTS {DATABASE}")
        await server.close()


@asynccontextmanager
async def own_books(stack_url: str, settings: Settings) -> AsyncIterator[None]:
    """A Postgres database with the schema and nothing in it; dropped afterwards. ``stack_url``: of the stack's database;
    ``settings``: with the URL of the new one, on the same server."""
    name = urlsplit(settings.postgres_url).path.removeprefix("/")
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    server = await asyncpg.connect(stack_url)
    try:
        await server.execute(drop)
        await server.execute(f"CREATE DATABASE {name}")
        engine = create_engine(settings)
        await migrate_postgres(engine)
        await engine.dispose()
        yield
    finally:
        await server.execute(drop)
        await server.close()


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
