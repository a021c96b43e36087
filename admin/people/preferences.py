"""The language and the time zone that a person has chosen for the panel."""

from typing import Annotated, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.language import LANGUAGES, ZONES
from admin.pages.route import PageRoute, read_form, see_other
from admin.people.accounts import Accounts
from admin.people.guard import require
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from runtime.http.problems import ProblemError

ME: Final = "/me"
Myself = Annotated[Person, require(Permission.OWN_ACCOUNT)]


def preference_pages(accounts: Accounts) -> APIRouter:
    """The route of the form."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.post(f"{ME}/preferences")
    async def prefer(request: Request, person: Myself) -> Response:
        """Keep both; an empty field is no choice: the language is the browser's then, the zone that of the business."""
        form = await read_form(request)
        language, zone = form.one("language") or None, form.one("zone") or None
        if language not in (None, *LANGUAGES) or zone not in (None, *ZONES):
            raise ProblemError(Problem.NO_SUCH_PREFERENCE)
        await accounts.prefer(person, language, zone)
        return see_other(f"{ME}#preferences")

    return router
