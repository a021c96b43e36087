"""A person asks for a run of a provider's day, or lets a doubted statement go on. The scheduler makes the run; the day's page
follows it."""

from datetime import date
from typing import Annotated, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.context import Clearing, Injected
from admin.clearing.pages.known import require_known
from admin.formatting import day as day_words
from admin.formatting import moment
from admin.language import N_, gettext
from admin.pages import PageRoute, page, read_form, reload_page, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, Typed
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from backoffice.clearing import runs
from backoffice.clearing.outlook import Outlook, outlook_of
from backoffice.clearing.runs import DayState
from backoffice.operators import ActionRefused, Operator
from reconciliation.clearing.job import job_name
from runtime.clock import utc_now
from storage import job_runs
from storage.job_runs import JobRun
from storage.processes.locks import Lock, is_held
from storage.staff.trail import Kind

HOME: Final = "/clearing"

Reader = Annotated[Person, require(Permission.CLEARING)]
Runner = Annotated[Person, require(Permission.RUN_CLEARING)]
Believer = Annotated[Person, require(Permission.RUN_CLEARING, fresh=True)]


class Action(NamedTuple):
    """What a form asks for. ``believe``: a doubted statement goes on."""

    name: str
    label: str
    believe: bool


RUN: Final = Action("run", N_("Run the day"), believe=False)
BELIEVE: Final = Action("believe", N_("Let the statement go on"), believe=True)


class Hint(NamedTuple):
    """What the run will meet, in the reader's language. ``url``: where to look."""

    words: str
    url: str | None = None


def run_pages(engine: AsyncEngine) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    path = f"{HOME}/{{provider}}/{{day}}"

    @router.get(f"{path}/run")
    async def show_run(request: Request, clearing: Injected, _person: Runner, provider: str, day: date) -> Response:
        return await _form(request, clearing, RUN, provider, day)

    @router.post(f"{path}/run")
    async def run(request: Request, clearing: Injected, person: Runner, provider: str, day: date) -> Response:
        return await _ask(request, clearing, person, RUN, provider, day)

    @router.get(f"{path}/believe")
    async def show_belief(
        request: Request, clearing: Injected, _person: Believer, provider: str, day: date
    ) -> Response:
        return await _form(request, clearing, BELIEVE, provider, day)

    @router.post(f"{path}/believe")
    async def believe(request: Request, clearing: Injected, person: Believer, provider: str, day: date) -> Response:
        return await _ask(request, clearing, person, BELIEVE, provider, day)

    @router.get(f"{path}/changes")
    async def changes(
        clearing: Injected, _person: Reader, provider: str, day: date, since: Annotated[int, Query()]
    ) -> Response:
        """Whether the run has got further since; the page that asks is read again then."""
        require_known(clearing, provider)
        async with engine.connect() as connection:
            found = await job_runs.of_date(connection, job_name(provider), day)
            under_way = await is_held(connection, Lock.CLEARING, provider)
        return Response(status_code=204) if found and marker(found[0], under_way) == since else reload_page()

    return router


def marker(run: JobRun, under_way: bool) -> int:
    """A number that differs once the run has got further."""
    told = (run.finished_at, run.braked_at, run.released_by, run.counts, under_way and run.finished_at is None)
    return crc32(repr(told).encode())


async def _form(
    request: Request,
    clearing: Clearing,
    action: Action,
    provider: str,
    day: date,
    *,
    typed: Typed | None = None,
    wrong: str | None = None,
    status: int = 200,
) -> Response:
    require_known(clearing, provider)
    async with clearing.at_work(Problem.RUN_REFUSED):
        outlook = await outlook_of(clearing.settings, clearing.settlements, provider, day)
    return page(
        request,
        "clearing/run.html",
        status,
        action=action,
        provider=provider,
        date=day,
        outlook=outlook,
        again=[day_words(one) for one in outlook.again],
        obstacle=obstacle(outlook, action),
        hints=hints(outlook, provider),
        key=uuid4() if typed is None else typed.key,
        reason="" if typed is None else typed.get("reason"),
        reason_max=REASON_MAX,
        wrong=wrong,
    )


async def _ask(
    request: Request, clearing: Clearing, person: Person, action: Action, provider: str, day: date
) -> Response:
    """Ask the scheduler, once however often the form is sent. It is on the trail before it is done, and a refusal after."""
    require_known(clearing, provider)
    typed, back = Typed.of(await read_form(request), person.email), see_other(f"{HOME}/{provider}/{day}")
    try:
        reason = typed.reason
    except InvalidForm as error:
        return await _form(request, clearing, action, provider, day, typed=typed, wrong=str(error), status=422)
    async with clearing.at_work(Problem.RUN_REFUSED):
        outlook = await outlook_of(clearing.settings, clearing.settlements, provider, day)
    asked = None if outlook.status is None else outlook.status.request
    if asked is not None and asked.key == str(typed.key):
        return back
    subject, trail = f"{provider}/{day}", trail_of(request)
    if (stands := obstacle(outlook, action)) is not None:
        await trail.note(person, Kind.REFUSED, "clearing_day", subject, action=action.name, why=stands.words)
        return await _form(request, clearing, action, provider, day, typed=typed, status=409)
    await trail.note(person, Kind.COMMAND, "clearing_day", subject, reason=reason, action=action.name)
    async with clearing.at_work(Problem.RUN_REFUSED):
        try:
            who = Operator(person.email, reason)
            await runs.request(
                clearing.settings, clearing.settlements, who, day, provider, believe=action.believe, key=typed.key
            )
        except ActionRefused as error:
            refused = str(error)
        else:
            return back
    await trail.note(person, Kind.REFUSED, "clearing_day", subject, action=action.name, why=refused)
    wrong = gettext("Nothing was done: %(why)s.", why=retold(refused))
    return await _form(request, clearing, action, provider, day, typed=typed, wrong=wrong, status=409)


def obstacle(outlook: Outlook, action: Action) -> Hint | None:
    """Why the action cannot be taken, if it cannot."""
    if outlook.ends_at > utc_now():
        return Hint(gettext("The day is not over at this provider."))
    if action.believe and not outlook.is_doubted:
        return Hint(gettext("The statement of this day is not doubted."))
    if not action.believe and outlook.is_doubted:
        return Hint(
            gettext("The statement of this day is doubted: look at it. If it is right, let it go on."), "believe"
        )
    return None


def hints(outlook: Outlook, provider: str) -> list[Hint]:
    """What keeps the run waiting, and what it does otherwise than one would think."""
    found = []
    if outlook.doubted is not None:
        said = gettext(
            "Nothing of this provider is cleared until somebody has decided on the statement of %(day)s, which is doubted.",
            day=day_words(outlook.doubted),
        )
        found.append(Hint(said, f"{HOME}/{provider}/{outlook.doubted}"))
    if outlook.earlier:
        said = gettext("Earlier days come first, that of %(day)s at once.", day=day_words(outlook.earlier[0]))
        found.append(Hint(said, f"{HOME}/{provider}/{outlook.earlier[0]}"))
    if outlook.ready_at > utc_now():
        said = gettext(
            "The statement can be relied on from %(time)s: it is not read before.", time=moment(outlook.ready_at)
        )
        found.append(Hint(said))
    if outlook.under_way:
        found.append(Hint(gettext("A run of this provider is under way: this one comes after it.")))
    if outlook.status is not None and outlook.status.state is DayState.OPEN and outlook.status.reason is not None:
        said = gettext("At the last try there was no statement: %(why)s.", why=retold(outlook.status.reason))
        found.append(Hint(said))
    if outlook.is_closed:
        found.append(
            Hint(
                gettext("The day of the books is closed: what is found now is booked on the first open day."),
                "/clearing/books",
            )
        )
    return found
