"""The last two hours of the books, in the memory of the process that shows them: what it still knows while Postgres does
not answer."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.vocabulary import PaymentStatus
from monitoring.books import BookReader, Books, age_s
from runtime.clock import utc_now
from runtime.postgres import POSTGRES_ERRORS

log = structlog.get_logger(__name__)

#: Between two looks, seconds, and how many are kept.
EVERY_S: Final = 10.0
KEPT: Final = 720
#: A look that takes longer is given up.
LOOK_S: Final = 8.0

#: What is kept of a look by name; ``None``: it was not known.
Sample = dict[str, float | None]


class Recent:
    """Looks every :data:`EVERY_S`. ``books``: read last, ``None`` before the first look; ``failing_since``: since when
    Postgres does not answer (UTC), ``None`` while it does; ``samples``: the oldest first."""

    def __init__(
        self,
        engine: AsyncEngine,
        reader: BookReader,
        every_s: float = EVERY_S,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.books: Books | None = None
        self.failing_since: datetime | None = None
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._engine = engine
        self._reader = reader
        self._every_s = every_s
        self._now = now

    async def run(self) -> None:
        """Forever."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once. What fails leaves the books as they were, and a gap in what is kept."""
        try:
            async with asyncio.timeout(LOOK_S), self._engine.connect() as connection:
                self.books = await self._reader.read(connection)
        except POSTGRES_ERRORS as error:
            if self.failing_since is None:
                log.warning("postgres is unavailable, the monitor shows what it knows", error=repr(error))
            self.failing_since = self.failing_since or self._now()
            self.samples.append({})
        else:
            self.failing_since = None
            self.samples.append(sample(self.books))

    async def close(self) -> None:
        """Disconnect what it reads by."""
        await self._reader.close()

    def line(self, name: str) -> list[float | None]:
        """What was kept under this name, the oldest first."""
        return [one.get(name) for one in self.samples]


def sample(books: Books) -> Sample:
    """``oldest``: age of the oldest unpaid payment, seconds; ``unknown``: operations; ``letters``; and for each consumer its
    messages a second (``rate:NAME``) and behind (``lag:NAME``)."""
    pending = [age_s(one.oldest, books.at) for one in books.unfinished if one.state == PaymentStatus.PENDING]
    found: Sample = {
        "oldest": max(pending, default=0.0),
        "unknown": sum(one.number for one in books.unknown),
        "letters": books.letters_open,
    }
    for one in books.lags:
        for name, number in (
            (f"rate:{one.consumer}", one.per_s),
            (f"lag:{one.consumer}", None if one.lag is None else one.lag.messages),
        ):
            if number is not None:
                found[name] = (found.get(name) or 0.0) + number
    return found
