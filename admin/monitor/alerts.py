"""The pages of alerts that fire: what an alert means, and its acknowledgement."""

import re
from datetime import timedelta
from typing import Annotated, Final, NamedTuple

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.language import gettext
from admin.pages import PageRoute, page, read_form, see_other
from admin.payments.actions import REASON_MAX, InvalidForm, checked_reason
from admin.people.guard import require, trail_of
from admin.people.permissions import Permission
from admin.people.person import Person
from admin.problems import Problem
from monitoring.alerts import Alert, Alertmanager
from monitoring.json_api import ERRORS
from runtime.clock import utc_now
from runtime.http.problems import ProblemError
from storage.staff.trail import Kind

log = structlog.get_logger(__name__)

#: For how many hours an alert can be acknowledged.
HOURS: Final = (1, 4, 12, 48)
_ID: Final = re.compile(r"[0-9a-f]{16}")

Reader = Annotated[Person, require(Permission.MONITOR)]
Acknowledger = Annotated[Person, require(Permission.ACKNOWLEDGE)]


class Alerts(NamedTuple):
    """``found``: those that fire. ``fault``: why they are not known."""

    found: list[Alert]
    fault: str | None = None


async def read_alerts(alertmanager: Alertmanager | None) -> Alerts | None:
    """The alerts; ``None`` without an Alertmanager."""
    if alertmanager is None:
        return None
    try:
        return Alerts(await alertmanager.alerts())
    except ERRORS as error:
        log.warning("alertmanager does not answer", error=repr(error))
        return Alerts([], repr(error))


def alert_pages(alertmanager: Alertmanager | None) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)
    pages = AlertPages(alertmanager)
    router.add_api_route("/monitor/alerts/{id}", pages.show, methods=["GET"])
    router.add_api_route("/monitor/alerts/{id}/acknowledge", pages.acknowledge, methods=["POST"])
    return router


class AlertPages:
    """Handlers of the pages."""

    def __init__(self, alertmanager: Alertmanager | None) -> None:
        self._alertmanager = alertmanager

    async def show(self, request: Request, person: Reader, id: str) -> Response:
        return _show(request, person, (await self._find(id))[1])

    async def acknowledge(self, request: Request, person: Acknowledger, id: str) -> Response:
        """Silence the alert for some hours. Its name and who did it are on the trail first."""
        alertmanager, alert = await self._find(id)
        form = await read_form(request)
        try:
            reason, hours = checked_reason(form.one("reason")), _checked_hours(form.one("hours"))
        except InvalidForm as error:
            return _show(request, person, alert, str(error))
        until = utc_now() + timedelta(hours=hours)
        await trail_of(request).note(
            person, Kind.ALERT, "alert", alert.name, reason=reason, labels=alert.where, until=until.isoformat()
        )
        try:
            await alertmanager.acknowledge(alert, person.email, reason, until)
        except ERRORS as error:
            raise _away(error) from error
        return see_other("/monitor")

    async def _find(self, id: str) -> tuple[Alertmanager, Alert]:
        if self._alertmanager is None or not _ID.fullmatch(id):
            raise ProblemError(Problem.NOT_FOUND)
        try:
            found = [alert for alert in await self._alertmanager.alerts() if alert.id == id]
        except ERRORS as error:
            raise _away(error) from error
        if not found:
            raise ProblemError(Problem.NOT_FOUND, gettext("This alert does not fire any more."))
        return self._alertmanager, found[0]


def _checked_hours(typed: str) -> int:
    if typed not in map(str, HOURS):
        raise InvalidForm(gettext("Choose for how long."))
    return int(typed)


def _show(request: Request, person: Person, alert: Alert, wrong: str | None = None) -> Response:
    return page(
        request,
        "monitor/alert.html",
        200 if wrong is None else 422,
        alert=alert,
        hours=HOURS,
        may_acknowledge=person.may(Permission.ACKNOWLEDGE),
        reason_max=REASON_MAX,
        wrong=wrong,
    )


def _away(error: BaseException) -> ProblemError:
    log.warning("alertmanager does not answer", error=repr(error))
    said = gettext("Alertmanager does not answer. Try again, or acknowledge the alert there.")
    return ProblemError(Problem.UNAVAILABLE, said)
