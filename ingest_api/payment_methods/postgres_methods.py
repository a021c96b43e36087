"""Saved methods in Postgres."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from ingest_api.postgres import reading, writing
from storage import saved_methods
from storage.saved_methods import StoredMethod

_METHODS = "payment methods"


class PostgresMethods:
    """Reads and removes; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    async def method(self, client_id: str, method_id: UUID) -> StoredMethod | None:
        """The client's method with this id, whatever its status."""
        async with reading(self._engine, _METHODS) as connection:
            return await saved_methods.method(connection, client_id, method_id)

    async def methods(self, client_id: str, customer_id: str) -> list[StoredMethod]:
        """A customer's methods that are not removed."""
        async with reading(self._engine, _METHODS) as connection:
            return await saved_methods.methods(connection, client_id, customer_id)

    async def remove(self, client_id: str, method_id: UUID) -> bool:
        """Remove a method: once this returns, no charge of it is sent. ``False``: it was removed before."""
        async with writing(self._engine, _METHODS) as connection:
            by = f"client:{client_id}"
            return await saved_methods.remove(connection, client_id, method_id, now=self._clock(), by=by)
