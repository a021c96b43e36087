"""Plays a year of subscribers by a test clock, and compares what every service recorded of it."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import aiohttp
from billing_client import BillingClient, ClockStatus, Repeats
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.demo.play import QUIET_S, SETTLE_S, UNAVAILABLE_ERRORS
from cli.demo.shop import PATIENCE_S
from cli.demo.subscribers import MONTHS, Path, Subscribers, fault, joins, path, turns
from cli.demo.year_evidence import YearEvidence, YearReport
from runtime.clock import utc_now
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.inspection import demo as sql

#: Between two looks at the clock, and at the records afterwards, seconds.
LOOK_S: Final = 0.1
#: A clock that does not move for so long never will, seconds.
STANDS_S: Final = 180.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
#: So many days after the month began its renewals are made, and those that were declined are in their grace.
_RENEWED: Final = 2

#: Gets the time of the clock and the charges under way.
OnProgress = Callable[[datetime, int], None]


def begins(now: datetime) -> datetime:
    """Noon in Moscow on the first of the month, a year before ``now``: the reports show whole months up to today."""
    return now.replace(year=now.year - 1, day=1, hour=9, minute=0, second=0, microsecond=0)


def moment(start: datetime, month: int, day: int = 0) -> datetime:
    """So many months and days after ``start``, which is the first of a month."""
    years, index = divmod(start.month - 1 + month, 12)
    return start.replace(year=start.year + years, month=index + 1, day=1 + day)


async def play_year(status: dict[str, Any], subscribers: int, show: OnProgress) -> tuple[YearReport, float]:
    """Let ``subscribers`` live through a year; returns what was recorded, and the seconds it took. Raises
    :class:`TimeoutError` where something stands still."""
    started = time.monotonic()
    start, run, urls = begins(utc_now()), secrets.token_hex(4), status["urls"]
    engine = create_engine(Settings(postgres_url=urls["postgres"]))
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
        repeats = Repeats(patience_s=PATIENCE_S, timeout_s=30)
        billing = BillingClient(urls["ingest"], status["api_key"], repeats=repeats, session=http)
        clock = await billing.test_clocks.create(f"demo {run}", at=start, idempotency_key=f"{run}-clock")
        people = Subscribers(billing, http, run, clock.id, subscribers)
        evidence = await YearEvidence.open(engine, urls, people, start)
        try:
            await people.offer()
            await _Year(engine, urls["sandbox"], people, start, show).play()
            report = await _until_settled(evidence)
        finally:
            await evidence.close()
            await engine.dispose()
    return report, time.monotonic() - started


class _Year:
    def __init__(
        self, engine: AsyncEngine, sandbox_url: str, people: Subscribers, start: datetime, show: OnProgress
    ) -> None:
        self._engine = engine
        self._faults_url = f"{sandbox_url}/_sandbox/faults"
        self._people, self._start, self._show = people, start, show

    async def play(self) -> None:
        """Month by month: customers join, cards begin to fail, renewals are made, and customers act."""
        everyone = range(self._people.count)
        for month in range(MONTHS):
            if month:
                await self._advance(moment(self._start, month))
            await self._people.subscribe([n for n in everyone if joins(n) == month])
            turning = [n for n in everyone if turns(n) == month]
            await self._spoil(turning)
            await self._advance(moment(self._start, month, _RENEWED))
            await self._people.pay([n for n in turning if path(n) is Path.PAYS])
            await self._people.cancel([n for n in turning if path(n) is Path.CANCELS])
            await self._people.remove_methods([n for n in turning if path(n) is Path.REMOVES])
        # The renewals of the next year's first day are not part of it.
        await self._advance(moment(self._start, MONTHS).replace(hour=0))

    async def _spoil(self, numbers: Sequence[int]) -> None:
        """The cards of those who take such a path fail from now on."""
        if not numbers:
            return
        async with self._engine.connect() as connection:
            facts = {one.customer_id: one for one in await sql.subscribers_of(connection, self._people.clock)}
        for number in numbers:
            one = facts[self._people.customer(number)]
            assert one.method is not None, "it was paid for, and has its method"
            if (body := fault(path(number), one.provider, one.method)) is not None:
                async with self._people.http.post(self._faults_url, json=body) as answer:
                    answer.raise_for_status()

    async def _advance(self, to: datetime) -> None:
        await advance(self._people.billing, self._people.clock, to, self._show)


async def advance(billing: BillingClient, clock_id: UUID, to: datetime, show: OnProgress) -> None:
    """Move the clock, and wait until it has arrived: all that happens until then has happened. Raises
    :class:`TimeoutError` where it stands still."""
    clock = await billing.test_clocks.advance(clock_id, to)
    moved = time.monotonic()
    while clock.status is ClockStatus.ADVANCING:
        show(clock.now_at, clock.charges_open)
        await asyncio.sleep(LOOK_S)
        before, clock = clock, await billing.test_clocks.read(clock.id)
        if (before.now_at, before.charges_open) != (clock.now_at, clock.charges_open):
            moved = time.monotonic()
        elif time.monotonic() - moved > STANDS_S:
            raise TimeoutError(f"the test clock stands at {clock.now_at} for {STANDS_S:.0f} s")
    show(clock.now_at, clock.charges_open)


async def _until_settled(evidence: YearEvidence) -> YearReport:
    """The report, once it stays without a problem; or after :data:`SETTLE_S`."""
    deadline, good_since = time.monotonic() + SETTLE_S, None
    while True:
        try:
            report = await evidence.report()
        except UNAVAILABLE_ERRORS:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(LOOK_S)
            continue
        now = time.monotonic()
        good_since = (good_since or now) if not report.problems else None
        if now > deadline or (good_since is not None and now - good_since >= QUIET_S):
            return report
        await asyncio.sleep(LOOK_S)
