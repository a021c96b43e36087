"""Pages that ask the browser for a passkey: at sign-in, to confirm, and to add one; and the removal of one.

The browser is asked by a script of ours. What it answers comes back in a field of the page's form."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.language import N_, gettext
from admin.pages import OpenRoute, PageRoute, page, read_form, see_other
from admin.pages.rendering import SCRIPT_POLICY
from admin.people.answers import agent_of, entered, local, query_of, refused, throttled_page
from admin.people.entrance import NotAdmitted, Throttled
from admin.people.guard import CONFIRM, SIGN_IN, accounts_of, address_of, require
from admin.people.passkeys.passkeys import NAME_MAX, LastFactor, Passkeys
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from runtime.http.problems import ProblemError

PASSKEYS: Final = "/me/passkeys"
NEW: Final = f"{PASSKEYS}/new"
REFUSED: Final = N_("The passkey was not accepted. Try again; what the browser answers is good once, for five minutes.")
ENOUGH: Final = N_("You have as many passkeys as one person may have. Remove one first.")
NO_NAME: Final = N_("Give the passkey a name of 1 to 60 characters.")

Myself = Annotated[Person, require(Permission.OWN_ACCOUNT)]
Confirmed = Annotated[Person, require(Permission.OWN_ACCOUNT, fresh=True)]


def passkey_pages(passkeys: Passkeys | None) -> APIRouter:
    """The routes. ``None``: there is no site that passkeys can be bound to."""
    router = APIRouter(include_in_schema=False, default_response_class=Response)
    pages = Pages(passkeys)
    routes: tuple[tuple[type[PageRoute], str, str, Callable[..., Awaitable[Response]]], ...] = (
        (OpenRoute, "POST", f"{SIGN_IN}/passkey", pages.sign_in),
        (PageRoute, "POST", f"{CONFIRM}/passkey", pages.confirm),
        (PageRoute, "GET", NEW, pages.new),
        (PageRoute, "POST", NEW, pages.ask_to_add),
        (PageRoute, "POST", PASSKEYS, pages.add),
        (PageRoute, "GET", f"{PASSKEYS}/{{id}}/remove", pages.ask_to_remove),
        (PageRoute, "POST", f"{PASSKEYS}/{{id}}/remove", pages.remove),
    )
    for route, method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], route_class_override=route)
    return router


def asking(request: Request, action: str, options: str, *, instead: str, **values: Any) -> Response:
    """The page whose script asks the browser, and sends the answer to ``action``. ``instead``: the page for those whose
    browser cannot."""
    response = page(
        request, "people/passkey.html", action=action, query=query_of(request), options=options, instead=instead,
        **{"name": None, **values},
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = SCRIPT_POLICY
    return response


class Pages:
    """Handlers of the routes."""

    def __init__(self, passkeys: Passkeys | None) -> None:
        self._found = passkeys

    @property
    def _passkeys(self) -> Passkeys:
        if self._found is None:
            raise ProblemError(
                Problem.NOT_FOUND, gettext("Passkeys need BILLING_ADMIN_URL: https, and a host with a name.")
            )
        return self._found

    async def sign_in(self, request: Request) -> Response:
        answer = (await read_form(request)).one("credential")
        again = SIGN_IN + query_of(request)
        try:
            token = await self._passkeys.sign_in(answer, address_of(request), agent_of(request))
        except NotAdmitted:
            return refused(request, 401, REFUSED, again)
        except Throttled as throttled:
            return throttled_page(request, throttled, again)
        return entered(request, local(request.query_params.get("next", "")), token)

    async def confirm(self, request: Request, person: Myself) -> Response:
        again = CONFIRM + query_of(request)
        try:
            await self._passkeys.confirm(person, (await read_form(request)).one("credential"))
        except NotAdmitted:
            return refused(request, 401, REFUSED, again)
        except Throttled as throttled:
            return throttled_page(request, throttled, again)
        return see_other(local(request.query_params.get("next", "")))

    async def new(self, request: Request, _person: Confirmed) -> Response:
        return _naming(request, 200)

    async def ask_to_add(self, request: Request, person: Confirmed) -> Response:
        name = (await read_form(request)).one("name")
        if not 0 < len(name) <= NAME_MAX or not name.isprintable():
            return _naming(request, 422, NO_NAME)
        try:
            options = await self._passkeys.ask_to_add(person)
        except NotAdmitted:
            return _naming(request, 409, ENOUGH)
        return asking(request, PASSKEYS, options, instead="/me", name=name)

    async def add(self, request: Request, person: Confirmed) -> Response:
        form = await read_form(request)
        name = form.one("name")
        if not 0 < len(name) <= NAME_MAX or not name.isprintable():
            return _naming(request, 422, NO_NAME)
        try:
            await self._passkeys.add(person, name, form.one("credential"))
        except NotAdmitted:
            return refused(request, 401, REFUSED, NEW)
        return see_other("/me?passkey")

    async def ask_to_remove(self, request: Request, person: Confirmed, id: UUID) -> Response:
        return await self._removing(request, person, id, 200)

    async def remove(self, request: Request, person: Confirmed, id: UUID) -> Response:
        try:
            await self._passkeys.remove(person, id)
        except LastFactor:
            return await self._removing(request, person, id, 409, is_last=True)
        return see_other("/me?passkey")

    async def _removing(
        self, request: Request, person: Person, id: UUID, status: int, *, is_last: bool = False
    ) -> Response:
        existing = await accounts_of(request).passkeys_of(person)
        passkey = next((one for one in existing if one.id == id), None)
        if passkey is None:
            raise ProblemError(Problem.NOT_FOUND)
        return page(request, "people/passkey_removal.html", status, passkey=passkey, is_last=is_last)


def _naming(request: Request, status: int, wrong: str | None = None) -> Response:
    return page(request, "people/passkey_name.html", status, wrong=wrong, name_max=NAME_MAX)
