"""A person asks for a run of a provider's day, or says that a doubted statement is to be believed. The scheduler makes the
run; the day's page follows it."""

from datetime import date, timedelta
from typing import Annotated, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.context import Clearing, Injected
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
from admin.trail.trail import record
from backoffice.clearing import runs
from backoffice.clearing.outlook import Outlook, outlook_of
from backoffice.clearing.runs import DayStatus, day_status
from backoffice.operators import ActionRefused, Operator
from billing.sentence import Sentence
from runtime.clock import utc_now
from storage.processes.leases import SCHEDULER, live
from storage.processes.locks import Lock, is_held
from storage.staff.trail import Kind

HOME: Final = "/clearing"
#: The scheduler looks once a minute.
LATE_AFTER: Final = timedelta(minutes=5)
NO_SCHEDULER: Final = N_(
    "No scheduler is running: what is asked for waits until one is, and goes on where the last one stopped."
)

Reader = Annotated[Person, require(Permission.CLEARING)]
Runner = Annotated[Person, require(Permission.RUN_CLEARING)]
Believer = Annotated[Person, require(Permission.RUN_CLEARING, fresh=True)]


class Action(NamedTuple):
    """What a form asks for. ``believe``: that a doubted statement is right."""

    name: str
    label: str
    believe: bool


RUN: Final = Action("run", N_("Run the day"), believe=False)
BELIEVE: Final = Action("believe", N_("Believe the statement"), believe=True)


class Hint(NamedTuple):
    """What the run will meet. ``url``: where to look."""

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
        clearing.require_known(provider)
        async with engine.connect() as connection:
            status = await day_status(connection, provider, day)
            under_way = await is_held(connection, Lock.CLEARING, provider)
            has_scheduler = await live(connection, SCHEDULER) > 0
        now = marker(status, under_way=under_way, has_scheduler=has_scheduler)
        return Response(status_code=204) if now == since else reload_page()

    return router


def marker(status: DayStatus | None, *, under_way: bool, has_scheduler: bool) -> int:
    """A number that differs once the run has got further."""
    return crc32(repr((status, under_way, has_scheduler)).encode())


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
    clearing.require_known(provider)
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
        hints=hints(outlook),
        key=uuid4() if typed is None else typed.key,
        reason="" if typed is None else typed.get("reason"),
        reason_max=REASON_MAX,
        wrong=wrong,
    )


async def _ask(
    request: Request, clearing: Clearing, person: Person, action: Action, provider: str, day: date
) -> Response:
    """Ask the scheduler, once however often the form is sent. What is asked for and its entry of the trail take effect
    together; a refusal is on the trail too."""
    clearing.require_known(provider)
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
    subject, name = f"{provider}/{day}", action.name

    async def note(connection: AsyncConnection) -> None:
        await record(connection, person, Kind.COMMAND, "clearing_day", subject, reason=reason, action=name)

    stands = obstacle(outlook, action)
    refused = None if stands is None else stands.words
    async with clearing.at_work(Problem.RUN_REFUSED):
        try:
            if refused is None:
                who = Operator(person.email, reason)
                await runs.request(
                    clearing.settings, clearing.settlements, who, day, provider, believe=action.believe,
                    key=typed.key, alone=True, note=note,
                )  # fmt: skip
                return back
        except ActionRefused as error:
            refused = str(error)
    await trail_of(request).note(person, Kind.REFUSED, "clearing_day", subject, action=name, why=refused)
    wrong = None if stands else gettext("Nothing was done: %(why)s.", why=retold(refused))
    return await _form(request, clearing, action, provider, day, typed=typed, wrong=wrong, status=409)


def obstacle(outlook: Outlook, action: Action) -> Hint | None:
    """Why the action cannot be taken now, if it cannot. The words are English: pages translate them."""
    if outlook.ends_at > utc_now():
        return Hint(Sentence("The day is not over at this provider."))
    if outlook.first is None:
        return Hint(Sentence("No money has moved at this provider yet."))
    if outlook.day < outlook.first:
        said = Sentence("The first day that is cleared at this provider is %(day)s.", day=outlook.first)
        return Hint(said, f"{HOME}/{outlook.provider}/{outlook.first}")
    if outlook.under_way:
        return Hint(Sentence("A run of this provider is under way. Ask once it has ended."))
    if action.believe and not outlook.is_doubted:
        return Hint(Sentence("The statement of this day is not doubted."))
    if not action.believe and outlook.is_doubted:
        said = Sentence("The statement of this day is doubted: look at it. If it is right, believe it.")
        return Hint(said, f"{HOME}/{outlook.provider}/{outlook.day}/{BELIEVE.name}")
    return None


def hints(outlook: Outlook) -> list[Hint]:
    """What keeps the run waiting, and what it does otherwise than one would think."""
    found = waits_for(outlook)
    if outlook.is_open and outlook.status is not None and outlook.status.reason is not None:
        said = gettext("At the last try there was no statement: %(why)s.", why=retold(outlook.status.reason))
        found.append(Hint(said))
    if outlook.day < outlook.first_open:
        said = gettext("The day of the books is closed: what is found now is booked on the first open day.")
        found.append(Hint(said, "/clearing/books"))
    return found


def waits_for(outlook: Outlook) -> list[Hint]:
    """What has to come about before the scheduler runs the day."""
    found, home = [], f"{HOME}/{outlook.provider}"
    if not outlook.has_scheduler:
        found.append(Hint(gettext(NO_SCHEDULER)))
    if outlook.doubted is not None:
        said = gettext(
            "Nothing of this provider is cleared until somebody has decided on the statement of %(day)s, which is doubted.",
            day=day_words(outlook.doubted),
        )
        found.append(Hint(said, f"{home}/{outlook.doubted}"))
    if outlook.earlier:
        said = gettext("Earlier days come first, that of %(day)s at once.", day=day_words(outlook.earlier[0]))
        found.append(Hint(said, f"{home}/{outlook.earlier[0]}"))
    if outlook.ready_at > utc_now():
        said = gettext(
            "The statement can be relied on from %(time)s: it is not read before.", time=moment(outlook.ready_at)
        )
        found.append(Hint(said))
    return found


def is_late(outlook: Outlook) -> bool:
    """A person's request was not taken up, and nothing that is known explains it."""
    asked = None if outlook.status is None else outlook.status.request
    if asked is None or not outlook.is_open or outlook.under_way or waits_for(outlook):
        return False
    return outlook.status is not None and outlook.status.reason is None and utc_now() - asked.at > LATE_AFTER
