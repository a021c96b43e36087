"""How many calls to a provider run at once, and how many of them may be renewals."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from billing.vocabulary import Lane

#: The share of a provider's calls at once that renewals may take: a checkout finds a place without waiting for one of
#: them to end.
RENEWAL_SHARE: Final = 0.75


class Places:
    """The places of each provider, shared by the lanes. ``concurrency``: calls to one provider at once; with only one,
    the lanes take turns."""

    def __init__(self, providers: Iterable[str], concurrency: int) -> None:
        names = list(providers)
        self._all = {name: asyncio.Semaphore(concurrency) for name in names}
        self._renewals = {name: asyncio.Semaphore(max(1, int(concurrency * RENEWAL_SHARE))) for name in names}

    @asynccontextmanager
    async def hold(self, provider: str, lane: Lane) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        if lane is Lane.INTERACTIVE:
            async with self._all[provider]:
                yield
        else:
            async with self._renewals[provider], self._all[provider]:
                yield
