"""The pages of API keys. They do what ``billing api-keys`` does, by the same functions."""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from admin.language import N_, gettext
from admin.pages import Form, PageRoute, page, read_form, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, checked_reason
from admin.payments.refusals import as_sentence
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from admin.retelling import retold
from backoffice import api_clients
from backoffice.api_clients import IssuedKey
from backoffice.operators import ActionRefused, Operator
from billing.access.scopes import Scope
from runtime.http.problems import ProblemError
from runtime.new_keys import is_client_name
from runtime.settings import AdminSettings
from storage.access import api_keys
from storage.access.api_keys import StoredKey
from storage.staff.trail import Kind

log = structlog.get_logger(__name__)

HOME: Final = "/keys"
#: What each scope allows.
SCOPES: Final = {
    Scope.PAYMENTS_READ: N_("read payments"),
    Scope.PAYMENTS_WRITE: N_("make, capture, void and refund payments"),
    Scope.SUBSCRIPTIONS_READ: N_("read subscriptions"),
    Scope.SUBSCRIPTIONS_WRITE: N_("make and change subscriptions"),
    Scope.ANALYTICS_READ: N_("reports on the client's own payments"),
    Scope.ANALYTICS_ALL: N_("reports on the payments of all clients"),
    Scope.CLEARING_READ: N_("read clearing, of all clients"),
    Scope.CLEARING_WRITE: N_("decide on discrepancies"),
    Scope.CLEARING_CLOSE: N_("close days of the books"),
    Scope.ADMIN: N_("all of these, plans and extensions"),
}
#: Requests per second that a client may be given.
RATE_MAX: Final = 100_000

Reader = Annotated[Person, require(Permission.KEYS)]
Keeper = Annotated[Person, require(Permission.KEYS, fresh=True)]


def key_pages(settings: AdminSettings, engine: AsyncEngine) -> APIRouter:
    """The routes. Each form is a page of its own, which asks for the second factor before it is filled in."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = KeyPages(settings, engine)
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(f"{HOME}/new", pages.new, methods=["GET"])
    router.add_api_route(f"{HOME}/new", pages.create, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/rotate", pages.ask_rotate, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/rotate", pages.rotate, methods=["POST"])
    router.add_api_route(f"{HOME}/{{id}}/revoke", pages.ask_revoke, methods=["GET"])
    router.add_api_route(f"{HOME}/{{id}}/revoke", pages.revoke, methods=["POST"])
    return router


class KeyPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine

    async def list(self, request: Request, _person: Reader, revoked: str | None = None) -> Response:
        """The keys that can be used; with ``revoked`` all that there were."""
        found = await api_clients.list_keys(self._settings, include_revoked=revoked is not None)
        latest = api_keys.latest_ids(found)
        return page(request, "keys/list.html", keys=found, latest=latest, shows_all=revoked is not None)

    async def new(self, request: Request, _person: Keeper) -> Response:
        return _new(request, Form())

    async def create(self, request: Request, person: Keeper) -> Response:
        """Create an API client and its first key."""
        form = await read_form(request)
        hosts = form.one("return_hosts").replace(",", " ").split()
        try:
            client, scopes, rate = _client(form), _scopes(form), _rate(form)
            reason = checked_reason(form.one("reason"))
        except InvalidForm as error:
            return _new(request, form, str(error))
        await trail_of(request).note(
            person, Kind.KEY, "api_client", client, reason=reason, action="create", scopes=scopes
        )
        try:
            issued = await api_clients.create_client(
                self._settings, Operator(person.email, reason), client, scopes, rate, hosts
            )
        except ActionRefused as error:
            await _refused(request, person, "api_client", client, "create", error)
            return _new(request, form, _sentence(error), 409)
        return _issued(request, issued)

    async def ask_rotate(self, request: Request, _person: Keeper, id: str) -> Response:
        return self._key(request, await self._find(id), "rotate")

    async def rotate(self, request: Request, person: Keeper, id: str) -> Response:
        """Issue another key to the client of key ``id``, with its scopes; refused where the client has a newer one, so that
        a form that is sent twice issues one key."""
        key = await self._find(id)
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return self._key(request, key, "rotate", str(error))
        await trail_of(request).note(
            person, Kind.KEY, "api_client", key.client, reason=reason, action="rotate", after=id
        )
        try:
            issued = await api_clients.rotate_key(self._settings, Operator(person.email, reason), key.client, after=id)
        except ActionRefused as error:
            await _refused(request, person, "api_client", key.client, "rotate", error)
            return self._key(request, key, "rotate", _sentence(error), 409)
        return _issued(request, issued)

    async def ask_revoke(self, request: Request, _person: Keeper, id: str) -> Response:
        return self._key(request, await self._find(id), "revoke")

    async def revoke(self, request: Request, person: Keeper, id: str) -> Response:
        """Revoke a key. One that is revoked stays so."""
        key = await self._find(id)
        if key.revoked_at is not None:
            return see_other(f"{HOME}?revoked")
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return self._key(request, key, "revoke", str(error))
        await trail_of(request).note(person, Kind.KEY, "api_key", id, reason=reason, action="revoke", client=key.client)
        try:
            await api_clients.revoke_key(self._settings, Operator(person.email, reason), id)
        except ActionRefused as error:  # somebody was quicker
            await _refused(request, person, "api_key", id, "revoke", error)
        return see_other(f"{HOME}?revoked")

    def _key(
        self, request: Request, key: StoredKey, action: str, wrong: str | None = None, status: int = 422
    ) -> Response:
        return page(
            request,
            "keys/key.html",
            200 if wrong is None else status,
            key=key,
            action=action,
            refresh_s=round(self._settings.api_keys_refresh_s),
            reason_max=REASON_MAX,
            wrong=wrong,
        )

    async def _find(self, id: str) -> StoredKey:
        async with self._engine.connect() as connection:
            found = await api_keys.find(connection, id) if id.isascii() and id.isalnum() else None
        if found is None:
            raise ProblemError(Problem.NO_KEY)
        return found


async def _refused(request: Request, person: Person, kind: str, id: str, action: str, error: ActionRefused) -> None:
    await trail_of(request).note(person, Kind.REFUSED, kind, id, action=action, why=str(error))


def _new(request: Request, form: Form, wrong: str | None = None, status: int = 422) -> Response:
    return page(
        request,
        "keys/new.html",
        200 if wrong is None else status,
        fields={name: form.one(name) for name in form},
        chosen=form.get("scope", []),
        scopes=SCOPES,
        rate_max=RATE_MAX,
        reason_max=REASON_MAX,
        wrong=wrong,
    )


def _issued(request: Request, issued: IssuedKey) -> Response:
    log.info("API key issued in the panel", client=issued.client, id=issued.id)
    return page(request, "keys/issued.html", issued=issued)


def _client(form: Form) -> str:
    name = form.one("client")
    if not is_client_name(name):
        raise InvalidForm(gettext("Give a name of small letters, digits, dots, dashes and underscores."))
    return name


def _scopes(form: Form) -> list[Scope]:
    try:
        scopes = sorted({Scope(value) for value in form.get("scope", [])})
    except ValueError:
        raise InvalidForm(gettext("Choose the scopes from the list.")) from None
    if not scopes:
        raise InvalidForm(gettext("Choose what the key allows."))
    return scopes


def _rate(form: Form) -> int | None:
    text = form.one("rate")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(RATE_MAX)) + 1 and 1 <= int(text) <= RATE_MAX):
        raise InvalidForm(
            gettext("Give a number of requests per second from 1 to %(most)s, or leave it empty.", most=RATE_MAX)
        )
    return int(text)


def _sentence(error: ActionRefused) -> str:
    return as_sentence(retold(str(error)))
