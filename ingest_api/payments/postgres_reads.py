"""Reads of committed payments in Postgres."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.messages import PaymentChanged, Refusal
from billing.payments.model import Payment
from ingest_api.postgres import reading
from runtime.postgres import answers
from storage.journal.story import TimelineEntry, timeline_entries
from storage.journal.timeline import changes_after, find_refusal, journal_of, postings_of
from storage.payments.lists import Cursor, Filters, find_payment, list_payments
from storage.processes.leases import is_understood
from storage.providers.switches import open_breakers, switches


class PostgresReads:
    """Reads through its own connection pool; 503 while Postgres is unavailable."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._clock = clock

    async def payment(self, client_id: str, payment_id: UUID) -> Payment | None:
        """The client's payment with all its operations."""
        async with self._connected() as connection:
            return await find_payment(connection, client_id, payment_id)

    async def refusal(self, client_id: str, payment_id: UUID, operation_id: UUID | None) -> Refusal | None:
        """Why the payments agent refused an accepted command."""
        async with self._connected() as connection:
            return await find_refusal(connection, client_id, payment_id, operation_id)

    async def payments(self, client_id: str, filters: Filters, after: Cursor | None, limit: int) -> list[Payment]:
        """A page of the client's payments."""
        async with self._connected() as connection:
            return await list_payments(connection, client_id, filters, after, limit)

    async def changes(self, payment_id: UUID, version: int, limit: int) -> list[PaymentChanged]:
        """The changes in the journal after ``version``."""
        async with self._connected() as connection:
            return await changes_after(connection, payment_id, version, limit)

    async def timeline(self, payment_id: UUID) -> list[TimelineEntry]:
        """Everything that happened to a payment."""
        async with self._connected() as connection:
            journal = await journal_of(connection, payment_id)
            postings = await postings_of(connection, payment_id)
        return timeline_entries(journal, postings)

    async def answers(self) -> bool:
        """Whether Postgres answers a readiness probe."""
        return await answers(self._engine)

    async def is_understood(self, type: str) -> bool:
        """Whether every running worker knows this type of message."""
        async with self._connected() as connection:
            return await is_understood(connection, type)

    async def unavailable_providers(self) -> frozenset[str]:
        """The providers that are switched off, or whose circuit breaker is open in a worker."""
        async with self._connected() as connection:
            off = {name for name, switch in (await switches(connection)).items() if not switch.enabled}
            return frozenset(off | {breaker.provider for breaker in await open_breakers(connection, self._clock())})

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()

    def _connected(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return reading(self._engine, "payments")
