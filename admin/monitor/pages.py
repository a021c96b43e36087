"""The page /monitor."""

from typing import Annotated, Final

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from admin.clearing.pages.words import kind_words
from admin.formatting import decimal, duration
from admin.language import N_, gettext
from admin.monitor.alerts import read_alerts
from admin.pages import PageRoute, page
from admin.people.guard import require
from admin.people.permissions import Permission
from admin.people.person import Person
from monitoring.alerts import Alertmanager
from monitoring.measures import Prometheus
from monitoring.recent import Recent
from monitoring.sparkline import sparkline
from monitoring.view import Block, Form, Level, Row, Value, blocks, worst
from monitoring.watch import Unit

#: What a level is called, and the class that colours it: the word alone says it too.
LEVELS: Final = {Level.FINE: ("", ""), Level.TICKET: (N_("look"), "warn"), Level.PAGE: (N_("act now"), "bad")}


#: What rows say that is no name.
STATES: Final = frozenset(
    (
        N_("not known"),
        N_("still"),
        N_("behind"),
        N_("moves"),
        N_("up to date"),
        N_("dead letters"),
        N_("unpublished outputs"),
        N_("parked callbacks"),
        N_("overdue questions"),
        N_("on"),
        N_("off"),
        N_("waits for a person"),
        N_("ledger: sum of the last entries"),
    )
)


def monitor_pages(recent: Recent, alertmanager: Alertmanager | None, prometheus: Prometheus | None) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response)

    @router.get("/monitor")
    async def show(request: Request, _person: Annotated[Person, require(Permission.MONITOR)]) -> Response:
        shown = [] if recent.books is None else blocks(recent.books)
        return page(
            request,
            "monitor/monitor.html",
            live=True,
            alerts=await read_alerts(alertmanager),
            measured=prometheus is not None,
            measures=None if prometheus is None else await prometheus.measures(),
            measure=measure,
            spark=lambda points: Markup(sparkline(points)),  # noqa: S704 - numbers that we drew
            books=recent.books,
            failing_since=recent.failing_since,
            blocks=shown,
            worst=LEVELS[worst(shown)],
            levels=LEVELS,
            cell=cell,
            line=lambda block, row: Markup(_line(recent, block, row)),  # noqa: S704 - numbers that we drew
            oldest=Markup(sparkline(recent.line("oldest"))),  # noqa: S704 - likewise
        )

    return router


def cell(value: Value, form: Form) -> str:
    """A value as people read it."""
    if value is None:
        return "?"
    if isinstance(value, str):
        return _said(value) if form is Form.TEXT else value
    if form is Form.SECONDS:
        return duration(value)
    return decimal(value, 1) if form is Form.PER_S else decimal(value, 0)


def measure(value: float | None, unit: Unit) -> str:
    """What a process tells, as people read it."""
    if value is None:
        return "–"  # noqa: RUF001 - nothing is told now
    if unit is Unit.SECONDS:
        ms = gettext("%(number)s ms", number=decimal(value * 1000, 0))
        return duration(value) if value >= 10 else ms  # noqa: PLR2004 - seconds
    if unit is Unit.SHARE:
        return f"{decimal(100 * value, 1)} %"
    return gettext("%(number)s a second", number=decimal(value, 1)) if unit is Unit.PER_S else decimal(value, 0)


def _said(value: str) -> str:
    """States and kinds in the reader's language; names of consumers, providers, jobs and processes as they are."""
    if value in STATES:
        return gettext(value)
    kind, separator, which = value.partition(": ")
    if separator and kind == "approvals":
        name = gettext("approvals")
        return f"{name}: {gettext(which)}"
    if separator and kind == "discrepancies":
        name = gettext("discrepancies")
        return f"{name}: {kind_words(which).lower()}"
    return value


def _line(recent: Recent, block: Block, row: Row) -> str:
    """The last two hours of a consumer."""
    return sparkline(recent.line(f"rate:{row.values[0]}")) if block.name == "streams" else ""
