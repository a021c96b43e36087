"""Connections to Postgres for a request: 503 while it is unavailable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ingest_api.problems import unavailable

log = structlog.get_logger(__name__)


@asynccontextmanager
async def reading(engine: AsyncEngine, what: str) -> AsyncIterator[AsyncConnection]:
    """A snapshot of the books. ``what``: what cannot be read while Postgres is unavailable."""
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection
    except (SQLAlchemyError, OSError) as error:
        log.warning("Postgres cannot be read", error=type(error).__name__)
        raise unavailable(f"{what} cannot be read now") from error


@asynccontextmanager
async def writing(engine: AsyncEngine, what: str) -> AsyncIterator[AsyncConnection]:
    """A transaction, committed when the block ends. ``what``: what cannot be changed while Postgres is unavailable."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        log.warning("Postgres cannot be written", error=type(error).__name__)
        raise unavailable(f"{what} cannot be changed now") from error
