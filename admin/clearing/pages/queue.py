"""The queue of discrepancies: what is due first comes first."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.context import Clearing, Injected
from admin.clearing.pages.words import STATES, amounts, kind_words, turn
from admin.clearing.schemas import DiscrepanciesQuery, encode_cursor
from admin.language import gettext
from admin.pages import PageRoute, page
from admin.people.guard import require
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from backoffice.clearing import discrepancies
from billing.clearing.discrepancies import Kind, State
from runtime.clock import utc_now

HOME: Final = "/discrepancies"
#: Discrepancies on a page.
SHOWN: Final = 50


def queue_pages() -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get(HOME)
    async def show(
        request: Request, clearing: Injected, person: Annotated[Person, require(Permission.DISCREPANCIES)]
    ) -> Response:
        # An empty field of the form is no filter.
        given = {name: value for name, value in request.query_params.items() if value}
        try:
            query = DiscrepanciesQuery.model_validate({**given, "limit": SHOWN})
        except ValidationError as error:
            named = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
            wrong = gettext("This cannot be a filter: %(names)s. Choose from the lists.", names=named)
            return _list(request, clearing, person, {}, [], None, wrong)
        async with clearing.at_work(Problem.DECISION_REFUSED):
            # One more than the page holds shows whether there is a next page.
            found = await discrepancies.listed(clearing.settings, query.filters(), SHOWN + 1, query.cursor)
        following = None
        if len(found) > SHOWN:
            following = f"{HOME}?" + urlencode({**given, "cursor": encode_cursor(found[SHOWN - 1])})
        return _list(request, clearing, person, given, found[:SHOWN], following)

    return router


def _list(
    request: Request,
    clearing: Clearing,
    person: Person,
    given: Mapping[str, str],
    found: list[Any],
    following: str | None,
    wrong: str | None = None,
) -> Response:
    now = utc_now()
    return page(
        request,
        "clearing/queue.html",
        200 if wrong is None else 422,
        given=given,
        is_filtered=bool(given.keys() - {"cursor"}),
        is_first="cursor" not in given,
        found=[(one, amounts(one), turn(one, now)) for one in found],
        first=f"{HOME}?" + urlencode({name: value for name, value in given.items() if name != "cursor"}),
        following=following,
        wrong=wrong,
        sees_days=person.may(Permission.CLEARING),
        providers=sorted(clearing.settlements),
        kinds=list(Kind),
        all_states=list(State),
        states=STATES,
        kind_words=kind_words,
    )
