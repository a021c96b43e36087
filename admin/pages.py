"""Report pages: key figures, charts, tables, CSV files."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import structlog
from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from admin import formatting
from admin.access import Access, Reader
from admin.overview import of_currency, overview
from admin.problems import Problem
from admin.report_store import ReportStore
from admin.sessions import Sessions
from analytics import words
from analytics.answer import as_csv
from analytics.of_client import tables_of
from analytics.picture import SIZES, svg
from analytics.report import Parameter, Report, read_reports
from analytics.series import cohorts
from billing.money import EXPONENTS
from runtime.http.bodies import BodyTooLarge, read_body
from runtime.http.problems import ProblemError
from storage.access.key_ring import digest_of

log = structlog.get_logger(__name__)

SEE_OTHER: Final = 303
HOME: Final = "/reports"
#: Rows shown on a page; the CSV has all.
ROWS_SHOWN: Final = 200
#: Bytes of a form body.
FORM_LIMIT: Final = 4096
#: Charts of the start page, in pairs.
CHARTS: Final = ("books_by_day", "revenue_by_provider", "approval_by_provider", "decline_reasons")
PERIODS: Final = (("7 days", 6), ("30 days", 29), ("90 days", 89), ("a year", 364))
DEFAULT_DAYS: Final = 29
#: No scripts, nothing from other origins.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: A chart has its styles inside, also where it is opened by itself.
CHART_HEADERS: Final = HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}

Page = Callable[[Request], Awaitable[Response]]


class Pages:
    """Handlers of the pages."""

    def __init__(self, access: Access, sessions: Sessions, store: ReportStore) -> None:
        self._access = access
        self._sessions = sessions
        self._store = store
        self._drawing = CapacityLimiter(1)
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            money=formatting.money,
            percent=formatting.percent,
            cell=formatting.cell,
            grouped=words.grouped,
            heading=words.heading,
            title=words.title,
            name=words.name,
            sizes={size: (round(s.width * 96), round(s.height * 96)) for size, s in SIZES.items()},
            home=HOME,
        )

    def routes(self) -> list[Route]:
        """Routes of pages, charts and CSV files."""
        return [
            Route("/", self._home),
            Route("/sign-in", self._sign_in_page),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route(HOME, self._page(self._overview)),
            Route(HOME + "/{name}.svg", self._page(self._chart)),
            Route(HOME + "/{name}.csv", self._page(self._file)),
            Route(HOME + "/{name}", self._page(self._report)),
        ]

    async def _home(self, _request: Request) -> Response:
        return RedirectResponse(HOME, SEE_OTHER)

    async def _sign_in_page(self, _request: Request) -> Response:
        return self._rendered("sign_in.html", 200, wrong=None)

    async def _sign_in(self, request: Request) -> Response:
        try:
            body = await read_body(request, FORM_LIMIT)
        except BodyTooLarge:
            response = self._rendered("sign_in.html", 413, wrong="This is too long for an API key.")
            response.headers["Connection"] = "close"
            return response
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
        except ValueError:  # more fields than the form has
            fields = {}
        (key,) = fields.get("key", [""])[:1]
        try:
            reader = self._access.authenticate(request, key)
        except ProblemError as error:
            response = self._rendered("sign_in.html", error.problem.status, wrong=error.problem.title)
            response.headers.update(error.headers or {})
            return response
        log.info("signed in", client=reader.client, address=None if request.client is None else request.client.host)
        response = RedirectResponse(HOME, SEE_OTHER)
        self._sessions.open(response, request, digest_of(key))
        return response

    async def _sign_out(self, _request: Request) -> Response:
        response = RedirectResponse("/sign-in", SEE_OTHER)
        self._sessions.end(response)
        return response

    def _page(self, page: Page) -> Page:
        """Require a session; render problems as pages."""

        async def respond(request: Request) -> Response:
            digest = self._sessions.digest(request)
            if digest is None:
                return RedirectResponse("/sign-in", SEE_OTHER)
            try:
                request.state.reader = self._access.reader(digest)
            except ProblemError as error:
                if error.problem in (Problem.UNAUTHORIZED, Problem.FORBIDDEN):
                    return RedirectResponse("/sign-in", SEE_OTHER)
                return self._problem(error)
            try:
                return await page(request)
            except ProblemError as error:
                return self._problem(error)

        return respond

    def _problem(self, error: ProblemError) -> Response:
        return self._rendered("problem.html", error.problem.status, problem=error.problem, detail=error.detail)

    async def _overview(self, request: Request) -> Response:
        query = request.query_params
        today = datetime.now(UTC).date()
        period = {
            "from": query.get("from") or (today - timedelta(days=DEFAULT_DAYS)).isoformat(),
            "to": query.get("to") or today.isoformat(),
        }
        figures = await overview(self._store, period, query.get("currency"), _only(request))
        link_query = urlencode({**period, "currency": figures.currency})
        reports = read_reports(of_client=_only(request) is not None)
        return self._rendered(
            "overview.html",
            200,
            figures=figures,
            period=period,
            presets=[(name, urlencode(_days(today, days) | {"currency": figures.currency})) for name, days in PERIODS],
            charts=[(reports[name], link_query) for name in CHARTS],
            reports={
                "Payments": [report for report in reports.values() if not _is_of_subscriptions(report)],
                "Subscriptions": [report for report in reports.values() if _is_of_subscriptions(report)],
            },
        )

    async def _report(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        report, result = await self._store.run(request.path_params["name"], given, _only(request))
        currencies = _currencies(result.columns, result.rows)
        chosen = currency if currency in currencies else next(iter(currencies), None)
        shown = of_currency(result, chosen)
        link_query = urlencode({**given, **({"currency": chosen} if chosen else {})})
        heat = cohorts(report, shown)[:1] if report.chart.kind == "heat" else []
        return self._rendered(
            "report.html",
            200,
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

    async def _chart(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        dark = given.pop("theme", "") == "dark"
        size = given.pop("size", "page")
        if size not in SIZES:
            raise ProblemError(Problem.INVALID_PARAMETER, f"size is one of {', '.join(SIZES)}")
        report, result = await self._store.run(request.path_params["name"], given, _only(request))
        shown = of_currency(result, currency)
        chart = await to_thread.run_sync(lambda: svg(report, shown, size=size, dark=dark), limiter=self._drawing)
        return Response(chart, media_type="image/svg+xml", headers=CHART_HEADERS)

    async def _file(self, request: Request) -> Response:
        given, currency = self._parameters(request)
        report, result = await self._store.run(request.path_params["name"], given, _only(request))
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

    def _rendered(self, template: str, status: int, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values), status, HEADERS)


def _only(request: Request) -> str | None:
    reader: Reader = request.state.reader
    return reader.only


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
