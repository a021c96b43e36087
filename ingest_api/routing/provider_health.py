"""Availability of the providers: unavailable are those switched off, and those whose breaker is open in a worker."""

import asyncio
from typing import Final, Protocol

import structlog

from ingest_api.problems import ProblemError

log = structlog.get_logger(__name__)

REFRESH_S: Final = 1.0


class HealthStore(Protocol):
    """Stores provider switches and the state of breakers."""

    async def unavailable_providers(self) -> frozenset[str]:
        """The providers that are not called now. Raises :class:`ProblemError` while the store is unavailable."""


class ProviderHealth:
    """Refreshed each second. While the store is unavailable, the last known state is kept."""

    def __init__(self, store: HealthStore) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None
        self.unavailable: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Begin to refresh; returns at once."""
        self._task = asyncio.create_task(self._run(), name="provider-health")

    async def close(self) -> None:
        """Stop refreshing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Refresh once."""
        try:
            self.unavailable = await self._store.unavailable_providers()
        except ProblemError as error:
            log.warning("provider availability cannot be read; keeping the last known state", detail=error.detail)

    async def _run(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_S)
