"""Which providers are not called now: those switched off, and those that a worker's breaker holds back."""

import asyncio
from typing import Final, Protocol

import structlog

from ingest_api.problems import ProblemError

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0


class HealthStore(Protocol):
    """Where switches and breakers are on record."""

    async def unwell_providers(self) -> frozenset[str]:
        """Those not called now. Raises :class:`ProblemError` while it is away."""


class ProviderHealth:
    """Looks each second. While the book is away, what was seen last holds."""

    def __init__(self, book: HealthStore) -> None:
        self._book = book
        self._task: asyncio.Task[None] | None = None
        self.unwell: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Begin to look; returns at once."""
        self._task = asyncio.create_task(self._run(), name="provider-health")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Look once."""
        try:
            self.unwell = await self._book.unwell_providers()
        except ProblemError as error:
            log.warning("provider health cannot be read, what was seen last holds", detail=error.detail)

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)
