"""The page of the providers, and their switches."""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, checked_reason
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from backoffice import provider_switches
from backoffice.operators import Operator
from providers import registry
from runtime.http.problems import ProblemError
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.settings import AdminSettings
from storage.staff.trail import Kind

log = structlog.get_logger(__name__)

HOME: Final = "/providers"

Reader = Annotated[Person, require(Permission.PROVIDERS)]
Switcher = Annotated[Person, require(Permission.SWITCH, fresh=True)]


def provider_pages(settings: AdminSettings) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = ProviderPages(settings)
    router.add_api_route(HOME, pages.list, methods=["GET"])
    router.add_api_route(f"{HOME}/{{name}}/off", pages.off, methods=["POST"])
    router.add_api_route(f"{HOME}/{{name}}/on", pages.on, methods=["POST"])
    return router


class ProviderPages:
    """Handlers of the pages."""

    def __init__(self, settings: AdminSettings) -> None:
        self._settings = settings

    async def list(self, request: Request, person: Reader) -> Response:
        return await self._list(request, person)

    async def off(self, request: Request, person: Switcher, name: str) -> Response:
        """Stop calling the provider; answers once every worker has seen it."""
        return await self._switch(request, person, name, enabled=False)

    async def on(self, request: Request, person: Switcher, name: str) -> Response:
        """Call the provider again, and send what waited for it."""
        return await self._switch(request, person, name, enabled=True)

    async def _switch(self, request: Request, person: Person, name: str, *, enabled: bool) -> Response:
        if name not in registry.PLUGINS:
            raise ProblemError(Problem.NOT_FOUND)
        try:
            reason = checked_reason((await read_form(request)).one("reason"))
        except InvalidForm as error:
            return await self._list(request, person, wrong=str(error))
        await trail_of(request).note(person, Kind.SWITCH, "provider", name, reason=reason, enabled=enabled)
        operator = Operator(person.email, reason)
        try:
            if enabled:
                await provider_switches.enable(self._settings, operator, name)
            else:
                await provider_switches.disable(self._settings, operator, name)
        except (TimeoutError, *KAFKA_ERRORS) as error:
            # The provider is switched on: what waited is sent by its schedule within a minute.
            log.warning("what waited for the provider was not sent at once", provider=name, error=repr(error))
        return see_other(HOME)

    async def _list(self, request: Request, person: Person, wrong: str | None = None) -> Response:
        found = await provider_switches.list_providers(self._settings)
        return page(
            request,
            "providers/list.html",
            200 if wrong is None else 422,
            providers=found,
            known=registry.PLUGINS.keys(),
            may_switch=person.may(Permission.SWITCH),
            reason_max=REASON_MAX,
            wrong=wrong,
        )
