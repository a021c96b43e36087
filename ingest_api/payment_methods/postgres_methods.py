"""Saved methods in Postgres."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ingest_api.problems import unavailable
from storage import saved_methods
from storage.saved_methods import StoredMethod

log = structlog.get_logger(__name__)


class PostgresMethods:
    """Reads and removes; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    async def method(self, client_id: str, method_id: UUID) -> StoredMethod | None:
        """The client's method with this id, whatever its status."""
        async with self._connected() as connection:
            return await saved_methods.method(connection, client_id, method_id)

    async def methods(self, client_id: str, customer_id: str) -> list[StoredMethod]:
        """A customer's methods that are not removed."""
        async with self._connected() as connection:
            return await saved_methods.methods(connection, client_id, customer_id)

    async def remove(self, client_id: str, method_id: UUID) -> bool:
        """Remove a method: once this returns, no charge of it is sent. ``False``: it was removed before."""
        async with self._connected() as connection:
            by = f"client:{client_id}"
            return await saved_methods.remove(connection, client_id, method_id, now=self._clock(), by=by)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            log.warning("saved methods: Postgres is unavailable", error=type(error).__name__)
            raise unavailable("payment methods cannot be read now") from error
