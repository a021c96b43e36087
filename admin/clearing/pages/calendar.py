"""The calendar of business days by provider, one day, and its report."""

from datetime import date, datetime, timedelta
from typing import Annotated, Final, NamedTuple

from anyio import to_thread
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.context import Clearing, Injected
from admin.clearing.pages.run import is_late, marker, waits_for
from admin.clearing.pages.standing import Standing, counts_of, standing
from admin.clearing.pages.words import STATES, amounts, kind_words, turn
from admin.clearing.reports import CSV_HEADERS, HTML_HEADERS
from admin.language import tongue
from admin.pages import PageRoute, page
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from analytics import words
from backoffice.clearing import closing, discrepancies, report, runs
from backoffice.clearing.outlook import outlook_of
from billing.clearing.discrepancies import State
from ingest_api.problems import Problem as RequestProblem
from reconciliation.clearing.job import job_name
from runtime.clock import utc_now
from storage import job_runs
from storage.books.closing import period
from storage.clearing.discrepancies import Filters
from storage.staff.trail import Kind

HOME: Final = "/clearing"
#: Days of the calendar: five weeks.
DAYS: Final = 35
#: Discrepancies that a day's page shows; the queue has the others.
SHOWN: Final = 50

Reader = Annotated[Person, require(Permission.CLEARING)]


class Row(NamedTuple):
    """A day of the calendar. ``cells``: by provider; ``None`` where nothing had moved there yet."""

    day: date
    cells: dict[str, Standing | None]


def calendar_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get(HOME)
    async def show_calendar(
        request: Request, clearing: Injected, _person: Reader, until: Annotated[date | None, Query()] = None
    ) -> Response:
        return await _calendar(request, clearing, engine, until)

    @router.get(f"{HOME}/{{provider}}/{{day}}")
    async def show_day(request: Request, clearing: Injected, person: Reader, provider: str, day: date) -> Response:
        clearing.require_known(provider)
        return await _day(request, clearing, person, provider, day)

    @router.get(f"{HOME}/{{provider}}/{{day}}/report.html")
    async def show_report(request: Request, clearing: Injected, person: Reader, provider: str, day: date) -> Response:
        made = await _report(request, clearing, person, provider, day)
        with words.speaking(tongue()._replace(say=retold)):
            file = await to_thread.run_sync(report.as_html, made)
        return Response(file, media_type="text/html", headers=HTML_HEADERS)

    @router.get(f"{HOME}/{{provider}}/{{day}}/report.csv")
    async def download_report(
        request: Request, clearing: Injected, person: Reader, provider: str, day: date
    ) -> Response:
        made = await _report(request, clearing, person, provider, day)
        named = {"Content-Disposition": f'attachment; filename="clearing-{day}-{provider}.csv"'}
        rows = await to_thread.run_sync(report.as_csv, made)
        return Response(rows, media_type="text/csv", headers={**CSV_HEADERS, **named})

    return router


async def _calendar(request: Request, clearing: Clearing, engine: AsyncEngine, until: date | None) -> Response:
    now = utc_now()
    latest = _latest(clearing, now)
    last = latest if until is None else min(until, latest)
    first = last - timedelta(days=min(DAYS - 1, (last - date.min).days))
    async with clearing.at_work(Problem.RUN_REFUSED):
        found = await runs.status(clearing.settings, since=first, until=last, limit=DAYS)
        async with engine.connect() as connection:
            first_open = (await period(connection)).first_open
            began = {name: await job_runs.first_date(connection, job_name(name)) for name in clearing.settlements}
    known = {(one.provider, one.day): one for one in found}
    shown = [name for name in sorted(began) if began[name] is not None]

    def cell(name: str, day: date) -> Standing | None:
        begun = began[name]
        if begun is None or day < begun:
            return None
        return standing(known.get((name, day)), day, first_open, is_over=_is_over(clearing, name, day, now))

    days = [last - timedelta(days=n) for n in range((last - first).days + 1)]
    oldest = min((day for day in began.values() if day is not None), default=last)
    return page(
        request,
        "clearing/calendar.html",
        rows=[Row(day, {name: cell(name, day) for name in shown}) for day in days if day >= oldest],
        providers=shown,
        without=[name for name in sorted(began) if began[name] is None],
        first=first,
        last=last,
        earlier=first - timedelta(days=1) if oldest < first else None,
        is_latest=last == latest,
        first_open=first_open,
    )


async def _day(request: Request, clearing: Clearing, person: Person, provider: str, day: date) -> Response:
    now = utc_now()
    async with clearing.at_work(Problem.RUN_REFUSED):
        outlook = await outlook_of(clearing.settings, clearing.settlements, provider, day)
        status, first_open, tied = outlook.status, outlook.first_open, None
        if status is not None:
            tied = await closing.tie_outs_of(clearing.settings, clearing.settlements, day)
        of_day = Filters(provider=provider, day=day)
        found = await discrepancies.listed(clearing.settings, of_day, SHOWN + 1)
    start, end = clearing.settlements[provider].business_day(day)
    return page(
        request,
        "clearing/day.html",
        provider=provider,
        date=day,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1),
        has_after=day < _latest(clearing, now),
        start=start,
        end=end,
        run=status,
        live=outlook.is_open,
        since=marker(status, under_way=outlook.under_way, has_scheduler=outlook.has_scheduler),
        under_way=outlook.under_way,
        waits_for=waits_for(outlook),
        late=is_late(outlook),
        may_run=person.may(Permission.RUN_CLEARING) and end <= now,
        standing=standing(status, day, first_open, is_over=end <= now),
        counts=counts_of(status),
        is_closed=day < first_open,
        kinds=_by_kind(status),
        shown_states=list(State),
        tie_outs=[] if tied is None else [one for one in tied.tie_outs if one.provider == provider],
        reasons=[] if tied is None else [why for why in tied.reasons if why.startswith(f"{provider}: ")],
        found=[(one, amounts(one), turn(one, now)) for one in found[:SHOWN]],
        more=len(found) > SHOWN,
        states=STATES,
        kind_words=kind_words,
    )


async def _report(request: Request, clearing: Clearing, person: Person, provider: str, day: date) -> report.Report:
    clearing.require_known(provider)
    await trail_of(request).note(person, Kind.EXPORT, "clearing_day", f"{provider}/{day}")
    async with clearing.at_work(RequestProblem.INVALID_REQUEST):
        return await report.build(clearing.settings, clearing.settlements, day, provider)


def _latest(clearing: Clearing, now: datetime) -> date:
    """The last business day that is over at one of the providers."""
    return max(settlement.day_of(now) for settlement in clearing.settlements.values()) - timedelta(days=1)


def _is_over(clearing: Clearing, provider: str, day: date, now: datetime) -> bool:
    return clearing.settlements[provider].business_day(day)[1] <= now


def _by_kind(status: runs.DayStatus | None) -> list[tuple[str, dict[str, int]]]:
    """The number of discrepancies of each kind by state, what needs a person first."""
    found = {} if status is None else status.discrepancies
    return sorted(found.items(), key=lambda one: (-one[1].get(State.PERSON, 0), -one[1].get(State.OPEN, 0), one[0]))
