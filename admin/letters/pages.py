"""The pages of dead letters: messages that could not be processed."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.language import gettext
from admin.letters.causes import Meaning, meaning_of
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, checked_reason
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from backoffice.dead_letters import resolution as dead_letters
from backoffice.dead_letters.letters import masked_cause, masked_headers, masked_key, masked_value
from backoffice.dead_letters.resolution import DeadLetter, NoSuchLetter
from backoffice.operators import ActionRefused, Operator
from runtime.http.problems import ProblemError
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.settings import AdminSettings
from storage.staff.trail import Kind
from storage.streams.dead_letter_resolutions import DeadLetterId

HOME: Final = "/letters"
#: Letters that a page shows of a group.
SHOWN: Final = 20
#: Characters of a cause in the list.
CAUSE_MAX: Final = 160
#: Seconds until Kafka has to have answered.
PATIENCE_S: Final = 15.0
_ID: Final = re.compile(r"(\d{1,9})-(\d{1,18})")
#: What differs between two letters of one cause: ids, numbers, what a message held.
_PARTICULARS: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")

Reader = Annotated[Person, require(Permission.LETTERS)]
Discarder = Annotated[Person, require(Permission.DISCARD, fresh=True)]


class Group(NamedTuple):
    """Open letters of one consumer and cause, the newest first. ``cause``: of the newest, masked; ``meaning``: in words."""

    consumer: str
    cause: str
    meaning: Meaning
    open: int
    oldest: datetime
    newest: datetime
    letters: Sequence[DeadLetter]


def letter_pages(settings: AdminSettings) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = LetterPages(settings)
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}", pages.show, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/replay", pages.replay, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/discard", pages.discard, methods=["POST"])
    return router


class LetterPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings) -> None:
        self._settings = settings

    async def list(self, request: Request, _person: Reader) -> Response:
        async with _kafka():
            found = await dead_letters.list_dead_letters(self._settings, include_resolved=False)
        return page(request, "letters/list.html", groups=grouped(found), shown=SHOWN)

    async def show(self, request: Request, person: Reader, id: str) -> Response:
        place = _place(id)
        await trail_of(request).note(person, Kind.VIEW, "dead_letter", id)
        return await self._show(request, person, place)

    async def replay(self, request: Request, person: Reader, id: str) -> Response:
        """Send the message to its topic again, unchanged."""
        return await self._resolve(request, person, id, "replay")

    async def discard(self, request: Request, person: Discarder, id: str) -> Response:
        """Take the letter off the list of open ones."""
        return await self._resolve(request, person, id, "discard")

    async def _resolve(self, request: Request, person: Person, id: str, action: str) -> Response:
        place = _place(id)
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return await self._show(request, person, place, 422, wrong=str(error))
        await trail_of(request).note(person, Kind.LETTER, "dead_letter", id, reason=reason, action=action)
        operator = Operator(person.email, reason)
        try:
            async with _kafka():
                if action == "replay":
                    await dead_letters.replay(self._settings, operator, place)
                else:
                    await dead_letters.discard(self._settings, operator, place)
        except NoSuchLetter as error:
            raise ProblemError(Problem.NOT_FOUND) from error
        except ActionRefused as error:
            return await self._show(request, person, place, 409, wrong=_refused(error))
        return see_other(f"{HOME}/{id}")

    async def _show(
        self, request: Request, person: Person, place: DeadLetterId, status: int = 200, wrong: str | None = None
    ) -> Response:
        try:
            async with _kafka():
                found = await dead_letters.read_dead_letter(self._settings, place)
        except NoSuchLetter as error:
            raise ProblemError(Problem.NOT_FOUND) from error
        letter, value = found.letter, masked_value(found.letter.value)
        cause = masked_cause(letter)
        return page(
            request,
            "letters/letter.html",
            status,
            letter=letter,
            cause=cause,
            meaning=meaning_of(cause),
            key=masked_key(letter),
            headers=masked_headers(letter),
            value=value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode(),
            resolution=found.resolution,
            may_discard=person.may(Permission.DISCARD),
            reason_max=REASON_MAX,
            wrong=wrong,
        )


def _refused(error: ActionRefused) -> str:
    return gettext("Nothing was done: %(why)s.", why=retold(str(error)))


def grouped(found: Sequence[DeadLetter]) -> list[Group]:
    """The letters by consumer and cause, where what is particular to a message does not count; the largest group first."""
    ordered = sorted(found, key=lambda one: (_cause(one), one.letter.buried_at), reverse=True)
    groups = []
    for (consumer, _), letters in groupby(ordered, key=_cause):
        of_cause = [*letters]
        newest, oldest = of_cause[0].letter, of_cause[-1].letter
        cause = masked_cause(newest)[:CAUSE_MAX]
        groups.append(
            Group(
                consumer, cause, meaning_of(cause), len(of_cause), oldest.buried_at, newest.buried_at, of_cause[:SHOWN]
            )
        )
    return sorted(groups, key=lambda group: (-group.open, group.consumer, group.cause))


def _cause(one: DeadLetter) -> tuple[str, str]:
    return one.letter.consumer, _PARTICULARS.sub("…", one.letter.origin_headers.get("cause", "?"))


def _place(id: str) -> DeadLetterId:
    """Partition and offset. Raises :class:`ProblemError` 404."""
    found = _ID.fullmatch(id)
    if found is None:
        raise ProblemError(Problem.NOT_FOUND)
    return int(found[1]), int(found[2])


@asynccontextmanager
async def _kafka() -> AsyncIterator[None]:
    """Raises :class:`ProblemError` 503 where Kafka does not answer."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except (TimeoutError, *KAFKA_ERRORS) as error:
        raise ProblemError(
            Problem.UNAVAILABLE, gettext("Kafka does not answer: dead letters are kept there.")
        ) from error
