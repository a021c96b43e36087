"""How many calls to a provider run at once, and how many of them may be renewals."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
        #: Provider → calls that run now.
        self.taken = dict.fromkeys(names, 0)
        self._all = {name: asyncio.Semaphore(concurrency) for name in names}
        self._renewals = {name: asyncio.Semaphore(max(1, int(concurrency * RENEWAL_SHARE))) for name in names}

    @asynccontextmanager
    async def hold(self, provider: str, lane: Lane) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        if lane is Lane.INTERACTIVE:
            async with self._all[provider]:
                with self._counted(provider):
                    yield
        else:
            async with self._renewals[provider], self._all[provider]:
                with self._counted(provider):
                    yield

    @contextmanager
    def _counted(self, provider: str) -> Iterator[None]:
        self.taken[provider] += 1
        try:
            yield
        finally:
            self.taken[provider] -= 1
