"""To the OpenID provider and back."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import OpenRoute, PageRoute, page, see_other
from admin.people import cookies
from admin.people.answers import agent_of, entered, local, throttled_page
from admin.people.entrance import Throttled
from admin.people.guard import CONFIRM, SIGN_IN, accounts_of, address_of, person_of, require
from admin.people.oidc import journey
from admin.people.oidc.journey import Journey, Purpose
from admin.people.oidc.provider import CALLBACK, OidcProvider
from admin.people.oidc.refusals import NotIdentified, ProviderFailed, Why
from admin.people.oidc.sign_in import OidcSignIn
from admin.people.permissions import Permission
from admin.people.person import Person

log = structlog.get_logger(__name__)

#: Characters of what the provider sends back, or it is no code and no state of ours.
_TEXT_MAX: Final = 4096


def oidc_pages(provider: OidcProvider | None, sign_in: OidcSignIn) -> APIRouter:
    """The routes; without a provider they lead to the page to sign in."""
    router = APIRouter(include_in_schema=False, default_response_class=Response)
    pages = Pages(provider, sign_in)
    routes: tuple[tuple[type[PageRoute], str, Callable[..., Awaitable[Response]]], ...] = (
        (OpenRoute, f"{SIGN_IN}/oidc", pages.leave),
        (OpenRoute, CALLBACK, pages.back),
        (PageRoute, f"{CONFIRM}/oidc", pages.leave_to_confirm),
    )
    for route, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=["GET"], route_class_override=route)
    return router


class Pages:
    """Handlers of the routes."""

    def __init__(self, provider: OidcProvider | None, sign_in: OidcSignIn) -> None:
        self._provider = provider
        self._sign_in = sign_in

    async def leave(self, request: Request) -> Response:
        """Send the browser to the provider."""
        return await self._leave(request, Purpose.SIGN_IN)

    async def leave_to_confirm(
        self, request: Request, person: Annotated[Person, require(Permission.OWN_ACCOUNT)]
    ) -> Response:
        """The same, to sign in there again."""
        return await self._leave(request, Purpose.CONFIRM, person.session)

    async def _leave(self, request: Request, purpose: Purpose, session: str = "") -> Response:
        if self._provider is None:
            return see_other(SIGN_IN)
        next = local(request.query_params.get("next", ""))
        begun = journey.begin(purpose, next, accounts_of(request).clock(), session)
        try:
            response = see_other(await self._provider.address_of(begun))
        except ProviderFailed as failed:
            return self._failed(request, self._provider, failed)
        cookies.write(response, request, cookies.JOURNEY, self._provider.seal.close(begun))
        return response

    async def back(self, request: Request) -> Response:
        """The browser comes back: with a code, or with an error of the provider's."""
        if self._provider is None:
            return see_other(SIGN_IN)
        response = await self._back(request, self._provider)
        cookies.remove(response, request, cookies.JOURNEY)  # it is good once
        return response

    async def _back(self, request: Request, provider: OidcProvider) -> Response:
        address, cookie = address_of(request), cookies.read(request, cookies.JOURNEY)
        if cookie is None:  # another site can have a browser ask for this page; that counts for nothing
            return self._refused(request, provider, Why.STATE, None)
        try:
            attempt = await self._sign_in.count(address)
        except Throttled as throttled:
            return throttled_page(request, throttled, SIGN_IN)
        begun = None
        try:
            begun = provider.seal.open(cookie, _sent(request, "state"), accounts_of(request).clock())
            identity = await provider.identify(_code(request, provider), begun)
        except ProviderFailed as failed:
            await self._sign_in.take_back(attempt)
            return self._failed(request, provider, failed)
        except NotIdentified as refused:
            log.warning("nobody was identified at the OpenID provider", why=refused.why, detail=refused.detail[:500])
            await self._sign_in.refuse(refused, address)
            return self._refused(request, provider, refused.why, begun)
        try:
            if begun.purpose is Purpose.SIGN_IN:
                token = await self._sign_in.sign_in(identity, attempt, address, agent_of(request))
                return entered(request, local(begun.next), token)
            person = await person_of(request)
            if person is None:  # the session ended meanwhile
                return see_other(SIGN_IN)
            await self._sign_in.confirm(person, identity, begun, attempt)
        except NotIdentified as refused:
            return self._refused(request, provider, refused.why, begun)
        return see_other(local(begun.next))

    def _refused(self, request: Request, provider: OidcProvider, why: Why, begun: Journey | None) -> Response:
        again = f"{CONFIRM}" if begun is not None and begun.purpose is Purpose.CONFIRM else SIGN_IN
        return page(request, "people/not_identified.html", 403, why=why, provider=provider.name, again=again)

    def _failed(self, request: Request, provider: OidcProvider, failed: ProviderFailed) -> Response:
        log.warning("the OpenID provider failed", issuer=provider.issuer, error=str(failed))
        return page(request, "people/not_identified.html", 503, why="provider", provider=provider.name, again=SIGN_IN)


def _code(request: Request, provider: OidcProvider) -> str:
    """The code that the provider sent. Raises :class:`NotIdentified` where it is from another one, or there is none."""
    if _sent(request, "iss") not in ("", provider.issuer):  # RFC 9207
        raise NotIdentified(Why.STATE, "another issuer answered")
    code = _sent(request, "code")
    if not code:
        raise NotIdentified(Why.DECLINED, _sent(request, "error"))
    return code


def _sent(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    return value if len(value) <= _TEXT_MAX else ""
