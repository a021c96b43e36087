"""The keys on record, read over the pool of the reads."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ingest_api.problems import unavailable
from storage.access.api_keys import StoredKey, live_keys, note_use


class PostgresKeyBook:
    """Keys in Postgres."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def exchange(self, used: Mapping[str, datetime]) -> Iterable[StoredKey]:
        """Note the use of keys, read the live ones."""
        try:
            async with self._engine.begin() as connection:
                await note_use(connection, used)
                return await live_keys(connection)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(f"API keys cannot be read: {type(error).__name__}") from error
