"""Reading the books in Postgres."""

from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payment import Payment
from ingest_api.problems import unavailable
from storage.payments_view import find_payment

log = structlog.get_logger(__name__)


class PostgresReads:
    """Reads through a pool of its own; 503 while Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def payment(self, client_id: str, payment_id: UUID) -> Payment | None:
        """The client's payment with all its operations."""
        try:
            async with self._engine.connect() as connection:
                return await find_payment(connection, client_id, payment_id)
        except (SQLAlchemyError, OSError) as error:
            log.warning("Postgres cannot be read", error=repr(error))
            raise unavailable("payments cannot be read now") from error

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()
