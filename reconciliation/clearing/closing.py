"""Closing days of the books once clearing is through with them: every statement compared, every balance explained."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.errors import InvariantBroken
from billing.ledger.tie_out import TieOut
from providers.settlement import Settlement
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import window_of
from reconciliation.metrics import Metrics
from runtime.clock import utc_now
from storage import job_runs, operator_actions
from storage.books.closing import CannotClose, Period, close_day, period
from storage.clearing.compare import first_movement
from storage.clearing.posting import is_unposted
from storage.clearing.tie_out import tie_outs
from storage.job_runs import Request
from storage.operator_actions import Outcome

log = structlog.get_logger(__name__)

#: The job whose runs say why a day is not closed yet.
JOB: Final = "closing"
ACTOR: Final = "system:clearing"
REASON: Final = "every statement is cleared, every balance explained"
#: How long after its end a day is closed at the earliest: callbacks and workers that are late still book on it.
CLOSE_AFTER: Final = timedelta(hours=3)
#: Days that one look closes.
DAYS_AT_ONCE: Final = 3


class Readiness(msgspec.Struct, frozen=True):
    """Whether clearing is through with a day of the books. ``reasons``: why it is not, in words; none when it is."""

    day: date
    reasons: tuple[str, ...]
    tie_outs: tuple[TieOut, ...]


async def readiness(
    connection: AsyncConnection, settlements: Mapping[str, Settlement], day: date, zone: str, since: date | None = None
) -> Readiness:
    """Whether ``day``, by the dates of ``zone``, can be closed. ``settlements``: of all providers, by name. ``since``: the
    first business day that is cleared; ``None``: that of the first movement."""
    began = await _began(connection, settlements, day, since)
    reasons = await _uncleared(connection, settlements, began, day, zone)
    found: list[TieOut] = []
    for name, first in began.items():
        if await is_unposted(connection, name):
            reasons.append(f"{name}: discrepancies have changed and are not posted yet")
        settlement = settlements[name]
        window = window_of(name, settlement, day, first)
        for one in await tie_outs(connection, window, settlement.business_day(first)[0]):
            found.append(one)
            if one.unexplained:
                reasons.append(f"{name}: {one.unexplained} {one.currency} in minor units are not explained")
    return Readiness(day, tuple(reasons), tuple(found))


async def _began(
    connection: AsyncConnection, settlements: Mapping[str, Settlement], day: date, since: date | None
) -> dict[str, date]:
    """Provider → the first business day that is cleared, of those that had one by ``day``."""
    found = {}
    for name, settlement in sorted(settlements.items()):
        began = await job_runs.first_date(connection, job_name(name))
        if began is None:
            moved = await first_movement(connection, name)
            began = None if moved is None else max(filter(None, (settlement.day_of(moved), since)))
        if began is not None and began <= day:
            found[name] = began
    return found


async def _uncleared(
    connection: AsyncConnection, settlements: Mapping[str, Settlement], began: Mapping[str, date], day: date, zone: str
) -> list[str]:
    """The statements that ``day`` needs and that are not cleared, in words."""
    return [
        f"{name}: the statement of {business_day} is not cleared"
        for name, first in began.items()
        for business_day in _overlapping(settlements[name], day, zone)
        if business_day >= first and not await _is_cleared(connection, name, business_day)
    ]


def _overlapping(settlement: Settlement, day: date, zone: str) -> list[date]:
    """The business days that a day of the books has a part of."""
    start = datetime.combine(day, time(), ZoneInfo(zone))
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    first, last = settlement.day_of(start), settlement.day_of(end - timedelta(microseconds=1))
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


async def _is_cleared(connection: AsyncConnection, provider: str, day: date) -> bool:
    return any(run.finished_at is not None for run in await job_runs.of_date(connection, job_name(provider), day))


class ClosingJob:
    """Closes days of the books, the oldest first. ``settlements``: of all providers, by name."""

    def __init__(
        self, engine: AsyncEngine, settlements: Mapping[str, Settlement], metrics: Metrics, *, since: date | None = None
    ) -> None:
        self._engine = engine
        self._settlements = settlements
        self._metrics = metrics
        self._since = since

    async def look(self, *, automatic: bool = True) -> list[date]:
        """Close the day that a person asked for and, where ``automatic``, those that can be closed; returns them. Why one
        cannot is noted in its row of ``job_runs``."""
        closed = await self._close_asked()
        while automatic and len(closed) < DAYS_AT_ONCE:
            async with self._engine.begin() as connection:
                books = await period(connection)
                if books.now < _end(books) + CLOSE_AFTER:
                    break
                day = books.first_open
                found = await self._readiness(connection, day, books.zone)
                await job_runs.open_runs(connection, JOB, [day])
                await job_runs.record(connection, JOB, day, msgspec.to_builtins(found))
            self._metrics.tied_out(found.tie_outs)
            if found.reasons:
                log.warning("the day stays open", day=str(day), reasons=found.reasons)
                break
            if not await self._close(found):
                break
            closed.append(day)
        return closed

    async def _close_asked(self) -> list[date]:
        """What cannot be closed any more is refused, and the person looks again; a ledger that is busy is tried again."""
        async with self._engine.begin() as connection:
            books = await period(connection)
            asked = [
                (run.business_date, run.request) for run in await job_runs.unfinished(connection, JOB) if run.request
            ]
        closed = []
        for day, request in asked:
            if day != books.first_open:
                await self._refuse(day, request, f"the first open day is {books.first_open}")
                continue
            async with self._engine.connect() as connection:
                found = await self._readiness(connection, day, books.zone)
            self._metrics.tied_out(found.tie_outs)
            if found.reasons:
                await self._refuse(day, request, "; ".join(found.reasons))
            elif await self._close(found, request):
                closed.append(day)
        return closed

    async def _refuse(self, day: date, request: Request, why: str) -> None:
        async with self._engine.begin() as connection:
            await job_runs.withdraw(connection, JOB, day)
            await job_runs.record(connection, JOB, day, {"refused": {"by": request.by, "why": why, "at": utc_now()}})
            if request.action is not None:
                await operator_actions.complete(connection, request.action, Outcome.REFUSED, {"error": why})
        log.warning("the day stays open, though a person asked", day=str(day), by=request.by, why=why)

    async def _readiness(self, connection: AsyncConnection, day: date, zone: str) -> Readiness:
        # Without its statements a day does not tie out: the sums of a window of days are not made each minute for that.
        began = await _began(connection, self._settlements, day, self._since)
        if uncleared := await _uncleared(connection, self._settlements, began, day, zone):
            return Readiness(day, tuple(uncleared), ())
        return await readiness(connection, self._settlements, day, zone, self._since)

    async def _close(self, found: Readiness, request: Request | None = None) -> bool:
        """Under the name of the person who asked, if one did."""
        by, reason = (ACTOR, REASON) if request is None else (request.by, request.reason)
        try:
            async with self._engine.begin() as connection:
                link = await close_day(connection, found.day, by, reason, found.tie_outs)
                await job_runs.finish_date(connection, JOB, found.day, msgspec.to_builtins(found))
                if request is not None and request.action is not None:
                    kept = {"hash": link.hash.hex(), "unexplained": []}
                    await operator_actions.complete(connection, request.action, Outcome.DONE, kept)
        except CannotClose as error:
            log.warning("the day stays open", day=str(found.day), reasons=[str(error)])
            return False
        except InvariantBroken as error:
            log.exception("the day stays open: the books do not balance", day=str(found.day))
            if request is not None:
                await self._refuse(found.day, request, str(error))
            return False
        log.info("day closed", day=str(found.day), entries=link.day.entries, hash=link.hash.hex())
        return True


def _end(books: Period) -> datetime:
    """The end of the first open day."""
    return datetime.combine(books.first_open + timedelta(days=1), time(), ZoneInfo(books.zone))
