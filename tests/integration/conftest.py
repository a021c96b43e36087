"""What several integration tests share."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from analytics.migrate import migrate as migrate_clickhouse
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.migrate import migrate


@pytest.fixture(scope="session")
async def migrated(stack: dict[str, Any]) -> AsyncIterator[tuple[AsyncEngine, str]]:
    """A migrated database to copy, and a connection to its server: copying is quicker than migrating."""
    name = f"test_{uuid4().hex}"
    server = create_engine(Settings(postgres_url=stack["urls"]["postgres"]))
    await _run(server, f"CREATE DATABASE {name}")
    engine = create_engine(Settings(postgres_url=_url(stack, name)))
    await migrate(engine)
    await engine.dispose()
    yield server, name
    await _run(server, f"DROP DATABASE {name} WITH (FORCE)")
    await server.dispose()


@pytest.fixture
async def database(stack: dict[str, Any], migrated: tuple[AsyncEngine, str]) -> AsyncIterator[AsyncEngine]:
    """A migrated Postgres database of the test's own."""
    server, template = migrated
    name = f"test_{uuid4().hex}"
    await _run(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    engine = create_engine(Settings(postgres_url=_url(stack, name)))
    yield engine
    await engine.dispose()
    await _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def _url(stack: dict[str, Any], database: str) -> str:
    return urlunsplit(urlsplit(stack["urls"]["postgres"])._replace(path=f"/{database}"))


async def _run(server: AsyncEngine, statement: str) -> None:
    async with server.connect() as connection:
        raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await raw.execute(text(statement))
    await server.dispose()  # another test may restart the server, which ends a connection that was kept


@pytest.fixture
async def own_clickhouse(stack: dict[str, Any]) -> AsyncIterator[AsyncClient]:
    """A migrated ClickHouse database of the test's own."""
    name = f"test_{uuid4().hex}"
    url = urlunsplit(urlsplit(stack["urls"]["clickhouse"])._replace(path=f"/{name}"))
    await migrate_clickhouse(Settings(clickhouse_url=url))
    client = await connect(url)
    yield client
    await client.command(f"DROP DATABASE `{name}`")
    await client.close()


@pytest.fixture
def own(stack: dict[str, Any], own_clickhouse: AsyncClient, database: AsyncEngine) -> Settings:
    """Settings of the test's own Postgres and ClickHouse."""
    return Settings(
        postgres_url=database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        clickhouse_url=urlunsplit(urlsplit(stack["urls"]["clickhouse"])._replace(path=f"/{own_clickhouse.database}")),
    )
