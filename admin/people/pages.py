"""Pages to sign in, to choose a password, and of one's own account; the staff and what each role may do."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from admin.language import N_
from admin.pages import OpenRoute, PageRoute, page, read_form, see_other
from admin.pages.navigation import places_of
from admin.people import authenticator, cookies, passwords
from admin.people.accounts import Accounts, LinkOver, NotAdmitted, Throttled
from admin.people.answers import agent_of, entered, later, local, query_of, with_pause
from admin.people.guard import CONFIRM, SIGN_IN, address_of, person_of, require
from admin.people.oidc.provider import OidcProvider
from admin.people.passkeys.pages import asking
from admin.people.passkeys.passkeys import Passkeys
from admin.people.permissions import MATRIX, Permission
from admin.people.person import Person
from billing.access.roles import Role

ME: Final = "/me"
WELCOME: Final = "/welcome/{link}"
WRONG: Final = N_("These do not fit together. Check all three; a code can be used once.")
WRONG_CODE: Final = N_("This is not the code that the authenticator shows now. A code can be used once.")

Myself = Annotated[Person, require(Permission.OWN_ACCOUNT)]


def people_pages(accounts: Accounts, provider: OidcProvider | None, passkeys: Passkeys | None) -> APIRouter:
    """The routes. ``provider``: where people sign in instead of here; passwords are for those who may have one.
    ``passkeys``: where browsers can have some."""
    router = APIRouter(include_in_schema=False, default_response_class=Response)
    pages = Pages(accounts, provider, passkeys)
    routes: tuple[tuple[type[PageRoute], str, str, Callable[..., Awaitable[Response]]], ...] = (
        (OpenRoute, "GET", SIGN_IN, pages.sign_in_page),
        (OpenRoute, "POST", SIGN_IN, pages.sign_in),
        (OpenRoute, "GET", WELCOME, pages.welcome_page),
        (OpenRoute, "POST", WELCOME, pages.welcome),
        (PageRoute, "POST", "/sign-out", pages.sign_out),
        (PageRoute, "GET", CONFIRM, pages.confirm_page),
        (PageRoute, "POST", CONFIRM, pages.confirm),
        (PageRoute, "GET", "/", pages.home),
        (PageRoute, "GET", ME, pages.me),
        (PageRoute, "POST", f"{ME}/password", pages.change_password),
        (PageRoute, "POST", f"{ME}/sessions/{{id}}/end", pages.end_session),
        (PageRoute, "POST", f"{ME}/sessions/end-others", pages.end_others),
        (PageRoute, "GET", "/staff", pages.staff),
    )
    for route, method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], route_class_override=route)
    return router


class Pages:
    """Handlers of the pages."""

    def __init__(self, accounts: Accounts, provider: OidcProvider | None, passkeys: Passkeys | None) -> None:
        self._accounts = accounts
        self._passkeys = passkeys
        self._provider = None if provider is None else provider.name

    async def home(self, person: Myself) -> Response:
        """The first page that the person may see."""
        places = places_of(person)
        return see_other(places[0].url if places else ME)

    async def sign_in_page(self, request: Request) -> Response:
        if await person_of(request) is not None:
            return see_other(local(request.query_params.get("next", "")))
        return self._sign_in_form(request, 200)

    async def sign_in(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            if self._passkeys is not None and form.one("with") == "passkey":
                options = await self._passkeys.ask_to_sign_in(
                    form.one("email"), form.exact("password"), address_of(request)
                )
                return asking(request, f"{SIGN_IN}/passkey", options, instead=SIGN_IN + query_of(request))
            token = await self._accounts.sign_in(
                form.one("email"), form.exact("password"), form.one("code"), address_of(request), agent_of(request)
            )
        except NotAdmitted:
            return self._sign_in_form(request, 401, WRONG)
        except Throttled as throttled:
            return with_pause(self._sign_in_form(request, 429, later(throttled)), throttled)
        return entered(request, local(request.query_params.get("next", "")), token)

    def _sign_in_form(self, request: Request, status: int, wrong: str | None = None) -> Response:
        return page(
            request, "people/sign_in.html", status, action=SIGN_IN, query=query_of(request), wrong=wrong,
            provider=self._provider, passwords=self._accounts.has_passwords, passkeys=self._passkeys is not None,
        )  # fmt: skip

    async def sign_out(self, request: Request, person: Myself) -> Response:
        await self._accounts.sign_out(person)
        response = see_other(SIGN_IN)
        cookies.remove(response, request, cookies.SESSION)
        return response

    async def welcome_page(self, request: Request, link: str) -> Response:
        return await self._welcome_form(request, link, 200)

    async def welcome(self, request: Request, link: str) -> Response:
        form = await read_form(request)
        password = form.exact("password")
        try:
            account = await self._accounts.linked(link)
            problem = passwords.problem_of(password, account.email)
            if problem is None and password != form.exact("again"):
                problem = N_("The two passwords differ.")
            if problem is not None:
                return await self._welcome_form(request, link, 422, problem)
            token = await self._accounts.accept(
                link, password, form.one("code"), address_of(request), agent_of(request)
            )
        except LinkOver:
            return await self._welcome_form(request, link, 410)
        except NotAdmitted:
            return await self._welcome_form(request, link, 422, WRONG_CODE)
        return entered(request, "/", token)

    async def _welcome_form(self, request: Request, link: str, status: int, wrong: str | None = None) -> Response:
        try:
            account = await self._accounts.linked(link)
        except LinkOver:
            return page(request, "people/link_over.html", 410)
        secret = authenticator.secret_of_link(link)
        return page(
            request, "people/welcome.html", status,
            account=account, wrong=wrong, secret=_in_groups(authenticator.shown(secret)),
            picture=Markup(authenticator.picture(secret, account.email)),  # noqa: S704 - drawn by us
            optional=account.role is Role.VIEWER, length_min=passwords.LENGTH_MIN,
        )  # fmt: skip

    async def confirm_page(self, request: Request, person: Myself) -> Response:
        return await self._confirm_form(request, person, 200)

    async def _confirm_form(self, request: Request, person: Person, status: int, wrong: str | None = None) -> Response:
        return page(
            request, "people/confirm.html", status, query=query_of(request), wrong=wrong, provider=self._provider,
            known=await self._accounts.credentials_of(person), passkeys=self._passkeys is not None,
        )  # fmt: skip

    async def confirm(self, request: Request, person: Myself) -> Response:
        form = await read_form(request)
        try:
            if self._passkeys is not None and form.one("with") == "passkey":
                options = await self._passkeys.ask_to_confirm(person)
                return asking(request, f"{CONFIRM}/passkey", options, instead=CONFIRM + query_of(request))
            await self._accounts.confirm(person, form.one("code"))
        except NotAdmitted:
            return await self._confirm_form(request, person, 401, WRONG_CODE)
        except Throttled as throttled:
            return with_pause(await self._confirm_form(request, person, 429, later(throttled)), throttled)
        return see_other(local(request.query_params.get("next", "")))

    async def me(self, request: Request, person: Myself) -> Response:
        return await self._me(request, person)

    async def _me(self, request: Request, person: Person, status: int = 200, wrong: str | None = None) -> Response:
        return page(
            request, "people/me.html", status,
            sessions=await self._accounts.sessions_of(person), wrong=wrong,
            changed="changed" in request.query_params, length_min=passwords.LENGTH_MIN,
            known=await self._accounts.credentials_of(person), provider=self._provider,
            passkeys=None if self._passkeys is None else await self._accounts.passkeys_of(person),
            passkey_changed="passkey" in request.query_params,
            may_have_password=self._accounts.may_have_password(person.email),
            permissions=[permission.label for permission in Permission if person.may(permission)],
        )  # fmt: skip

    async def change_password(self, request: Request, person: Myself) -> Response:
        form = await read_form(request)
        new = form.exact("new")
        problem = passwords.problem_of(new, person.email)
        if problem is None and new != form.exact("again"):
            problem = N_("The two new passwords differ.")
        if problem is not None:
            return await self._me(request, person, 422, problem)
        try:
            await self._accounts.change_password(person, form.exact("password"), form.one("code"), new)
        except NotAdmitted:
            return await self._me(
                request, person, 401, N_("The password or the code is wrong. A code can be used once.")
            )
        except Throttled as throttled:
            return with_pause(await self._me(request, person, 429, later(throttled)), throttled)
        return see_other(f"{ME}?changed")

    async def end_session(self, person: Myself, id: str) -> Response:
        await self._accounts.end_session(person, id)
        return see_other(ME)

    async def end_others(self, person: Myself) -> Response:
        await self._accounts.end_other_sessions(person)
        return see_other(ME)

    async def staff(self, request: Request, person: Annotated[Person, require(Permission.STAFF)]) -> Response:
        return page(
            request,
            "people/staff.html",
            people=await self._accounts.everybody(),
            roles=list(Role),
            matrix=MATRIX,
            may_keys=person.may(Permission.KEYS),
        )


def _in_groups(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
