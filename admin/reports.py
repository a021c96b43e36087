"""Report pages: key figures, charts, tables, CSV files."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.language import N_, tongue
from admin.overview import of_currency, overview
from admin.pages import PageRoute, page
from admin.pages.rendering import HEADERS
from admin.people.guard import require
from admin.people.permissions import Permission
from admin.problems import Problem
from admin.report_store import ReportStore
from analytics.answer import as_csv
from analytics.chart import SIZES
from analytics.of_client import tables_of
from analytics.picture import svg
from analytics.report import Parameter, Report, read_reports
from analytics.series import cohorts
from analytics.words import speaking
from billing.money import EXPONENTS
from runtime.http.problems import ProblemError

HOME: Final = "/reports"
#: Rows shown on a page; the CSV has all.
ROWS_SHOWN: Final = 200
#: Charts of the start page, in pairs.
CHARTS: Final = ("books_by_day", "revenue_by_provider", "approval_by_provider", "decline_reasons")
PERIODS: Final = ((N_("7 days"), 6), (N_("30 days"), 29), (N_("90 days"), 89), (N_("a year"), 364))
DEFAULT_DAYS: Final = 29
#: A chart has its styles inside, also where it is opened by itself.
CHART_HEADERS: Final = HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def report_pages(store: ReportStore) -> APIRouter:
    """Routes of pages, charts and CSV files."""
    router = APIRouter(
        route_class=PageRoute, include_in_schema=False, default_response_class=Response,
        dependencies=[require(Permission.REPORTS)],
    )  # fmt: skip
    pages = Pages(store)
    router.add_api_route(HOME, pages.overview)
    router.add_api_route(HOME + "/{name}.svg", pages.chart)
    router.add_api_route(HOME + "/{name}.csv", pages.file)
    router.add_api_route(HOME + "/{name}", pages.report)
    return router


class Pages:
    """Handlers of the pages."""

    def __init__(self, store: ReportStore) -> None:
        self._store = store
        self._drawing = CapacityLimiter(1)

    async def overview(self, request: Request) -> Response:
        query = request.query_params
        today = datetime.now(UTC).date()
        period = {
            "from": query.get("from") or (today - timedelta(days=DEFAULT_DAYS)).isoformat(),
            "to": query.get("to") or today.isoformat(),
        }
        figures = await overview(self._store, period, query.get("currency"))
        link_query = urlencode({**period, "currency": figures.currency})
        reports = read_reports(of_client=False)
        return page(
            request,
            "overview.html",
            figures=figures,
            period=period,
            presets=[(name, urlencode(_days(today, days) | {"currency": figures.currency})) for name, days in PERIODS],
            charts=[(reports[name], link_query) for name in CHARTS],
            reports={
                N_("Payments"): [report for report in reports.values() if not _is_of_subscriptions(report)],
                N_("Subscriptions"): [report for report in reports.values() if _is_of_subscriptions(report)],
            },
        )

    async def report(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        report, result = await self._store.run(request.path_params["name"], given, None)
        currencies = _currencies(result.columns, result.rows)
        chosen = currency if currency in currencies else next(iter(currencies), None)
        shown = of_currency(result, chosen)
        link_query = urlencode({**given, **({"currency": chosen} if chosen else {})})
        with speaking(tongue()):
            heat = cohorts(report, shown)[:1] if report.chart.kind == "heat" else []
        return page(
            request,
            "report.html",
            report=report,
            fields=[_field(parameter, given) for parameter in report.parameters],
            currencies=currencies,
            currency=chosen,
            # The currency is chosen above the table, and stands beside the headings of money.
            columns={column: at for at, column in enumerate(shown.columns) if column != "currency" or chosen is None},
            heat=heat[0] if heat else None,
            numbers=_numbers(shown.columns, shown.rows),
            rows=shown.rows[:ROWS_SHOWN],
            count=len(shown.rows),
            link_query=link_query,
        )

    async def chart(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        dark = given.pop("theme", "") == "dark"
        size = given.pop("size", "page")
        if size not in SIZES:
            raise ProblemError(Problem.INVALID_PARAMETER, f"size is one of {', '.join(SIZES)}")
        report, result = await self._store.run(request.path_params["name"], given, None)
        shown = of_currency(result, currency)
        with speaking(tongue()):
            chart = await to_thread.run_sync(lambda: svg(report, shown, size=size, dark=dark), limiter=self._drawing)
        return Response(chart, media_type="image/svg+xml", headers=CHART_HEADERS)

    async def file(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        report, result = await self._store.run(request.path_params["name"], given, None)
        name = f'attachment; filename="{report.name}.csv"'
        body = as_csv(of_currency(result, currency))
        return Response(body, media_type="text/csv", headers={**HEADERS, "Content-Disposition": name})

    def _parameters(self, request: Request) -> tuple[dict[str, str], str | None]:
        """Parameters given for a report, and the currency to show. Empty fields count as not given."""
        report = self._store.find(request.path_params["name"])
        period = {parameter.name for parameter in report.parameters}
        given = {name: value for name, value in request.query_params.items() if value}
        currency = given.pop("currency", None)
        if "as_of" in period:  # the start page links with `to`; these reports call it `as_of`
            given |= {"as_of": until} if (until := given.pop("to", None)) else {}
        return given, currency


def _is_of_subscriptions(report: Report) -> bool:
    return any(table.startswith(("subscription", "renewal")) for table in tables_of(report.sql))


def _days(today: date, days: int) -> dict[str, str]:
    return {"from": (today - timedelta(days=days)).isoformat(), "to": today.isoformat()}


def _field(parameter: Parameter, given: Mapping[str, str]) -> dict[str, str]:
    kind = {"Date": "date", "UInt32": "number"}.get(parameter.type, "text")
    value = given.get(parameter.name, "")
    if not value and kind == "date":
        days = 0 if parameter.default == "today" else int(parameter.default.strip("-d"))
        value = (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
    return {"name": parameter.name, "kind": kind, "value": value or parameter.default, "meaning": parameter.meaning}


def _currencies(columns: tuple[str, ...], rows: Any) -> list[str]:
    if "currency" not in columns:
        return []
    at = columns.index("currency")
    seen = [row[at] for row in rows if row[at] in EXPONENTS]
    return sorted(set(seen), key=lambda name: (-seen.count(name), name))


def _numbers(columns: tuple[str, ...], rows: Any) -> set[str]:
    first = rows[0] if rows else ()
    return {column for column, value in zip(columns, first, strict=False) if isinstance(value, int | float)}
