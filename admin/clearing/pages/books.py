"""The day of the books that is to be closed: what it would be closed with, what stands against that, and the closing. The
scheduler closes it, in the name of the person who asks."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.context import Clearing, Injected
from admin.clearing.pages.run import LATE_AFTER, NO_SCHEDULER
from admin.language import gettext
from admin.pages import PageRoute, page, read_form, reload_page, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, Typed
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from admin.trail.trail import record
from backoffice.clearing import closing
from backoffice.clearing.closing import BooksDay, NotExplained
from backoffice.operators import ActionRefused, Operator
from reconciliation.clearing.closing import JOB
from runtime.clock import utc_now
from storage import job_runs
from storage.books.closing import period
from storage.processes.leases import SCHEDULER, live
from storage.staff.trail import Kind

HOME: Final = "/clearing/books"

Reader = Annotated[Person, require(Permission.CLEARING)]
Closer = Annotated[Person, require(Permission.CLOSE_DAYS, fresh=True)]

#: ``PROVIDER: …``, perhaps with the day of a statement.
_REASON: Final = re.compile(r"(?P<provider>[a-z0-9_-]+): (?:the statement of (?P<day>\d{4}-\d\d-\d\d))?")


class Against(NamedTuple):
    """What stands against closing, in the reader's language. ``url``: where it can be seen."""

    words: str
    url: str | None


def books_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get(HOME)
    async def show(request: Request, clearing: Injected, person: Reader) -> Response:
        return await _show(request, clearing, person)

    @router.get(f"{HOME}/changes")
    async def changes(_person: Reader, since: Annotated[int, Query()]) -> Response:
        """Whether the day was closed, or refused, since; the page that asks is read again then."""
        async with engine.connect() as connection:
            first_open = (await period(connection)).first_open
            run = next(iter(await job_runs.of_date(connection, JOB, first_open)), None)
            has_scheduler = await live(connection, SCHEDULER) > 0
        now = _marker(first_open, None if run is None else run.request, has_scheduler=has_scheduler)
        return Response(status_code=204) if now == since else reload_page()

    @router.get(f"{HOME}/{{day}}/close")
    async def show_close(request: Request, clearing: Injected, person: Closer, day: date) -> Response:
        """The form; the second factor is shown before it is filled in."""
        async with engine.connect() as connection:
            is_next = (await period(connection)).first_open == day
        return await _show(request, clearing, person, Typed({}, person.email, uuid4())) if is_next else see_other(HOME)

    @router.post(f"{HOME}/{{day}}/close")
    async def close(request: Request, clearing: Injected, person: Closer, day: date) -> Response:
        return await _close(request, clearing, person, day)

    return router


async def _close(request: Request, clearing: Clearing, person: Person, day: date) -> Response:
    """Ask the scheduler, once however often the form is sent. What is asked for and its entry of the trail take effect
    together; a refusal is on the trail too."""
    typed = Typed.of(await read_form(request), person.email)
    try:
        reason = typed.reason
    except InvalidForm as error:
        return await _show(request, clearing, person, typed, str(error), 422)

    async def note(connection: AsyncConnection) -> None:
        await record(connection, person, Kind.COMMAND, "accounting_date", day, reason=reason, action="close")

    async with clearing.at_work(Problem.DAY_NOT_CLOSED):
        try:
            who = Operator(person.email, reason)
            await closing.ask_to_close(clearing.settings, clearing.settlements, who, day, typed.key, note)
        except ActionRefused as error:
            refused = error
        else:
            return see_other(HOME)
    await trail_of(request).note(person, Kind.REFUSED, "accounting_date", day, action="close", why=str(refused))
    reasons = refused.reasons if isinstance(refused, NotExplained) else (str(refused),)
    wrong = gettext("The day is not closed: %(why)s.", why=_told(reasons))
    return await _show(request, clearing, person, typed, wrong, 409)


async def _show(
    request: Request,
    clearing: Clearing,
    person: Person,
    typed: Typed | None = None,
    wrong: str | None = None,
    status: int = 200,
) -> Response:
    async with clearing.at_work(Problem.DAY_NOT_CLOSED):
        books = await closing.first_open_day(clearing.settings, clearing.settlements)
    return page(
        request,
        "clearing/books.html",
        status,
        live=books.request is not None,
        since=_marker(books.day, books.request, has_scheduler=books.has_scheduler),
        books=books,
        against=against(books),
        refused=None if books.refused is None else _told(books.refused.why.split("; ")),
        no_scheduler=NO_SCHEDULER,
        late=books.request is not None and books.has_scheduler and utc_now() - books.request.at > LATE_AFTER,
        moved=sorted((*account, turnover) for account, turnover in books.moved.items()),
        tie_outs=() if books.ready is None else books.ready.tie_outs,
        may_close=person.may(Permission.CLOSE_DAYS),
        typed=typed,
        reason_max=REASON_MAX,
        wrong=wrong,
    )


def against(books: BooksDay) -> list[Against]:
    """What stands against closing the day, of those that clearing says."""
    found = []
    for why in () if books.ready is None else books.ready.reasons:
        named = _REASON.match(why)
        url = None if named is None else f"/clearing/{named['provider']}/{named['day'] or books.day}"
        found.append(Against(retold(why), url))
    return found


def _told(reasons: Iterable[str]) -> str:
    return "; ".join(map(retold, reasons))


def _marker(first_open: date, asked: object, *, has_scheduler: bool) -> int:
    """A number that differs once the day was closed, or refused."""
    return crc32(repr((first_open, asked, has_scheduler)).encode())
