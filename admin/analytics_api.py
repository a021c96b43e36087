"""``GET /v1/analytics`` and ``GET /v1/analytics/{name}``: the named reports for programs."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.security import HTTPBearer
from starlette.responses import Response

from admin.access import Access, Reader
from admin.problems import Problem, responses
from admin.report_store import ReportStore
from analytics.answer import as_csv, text
from analytics.report import Report, read_reports
from runtime.http.credentials import bearer_key
from runtime.http.problems import ProblemError

_EXAMPLE: Final = {
    "name": "books_by_day",
    "question": "What are gross revenue, refunds, fees and net revenue of each day, by the ledger?",
    "columns": ["day", "currency", "gross", "refunds", "fees", "net"],
    "money": ["gross", "refunds", "fees", "net"],
    "rows": [{"day": "2026-11-23", "currency": "RUB", "gross": 358800, "refunds": 29900, "fees": 0, "net": 328900}],
}


_COMMON: Final = (Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.TOO_MANY_ATTEMPTS, Problem.UNAVAILABLE)


def analytics_api(access: Access, store: ReportStore) -> APIRouter:
    """The routes."""
    # The scheme is for the document: keys are checked by `admit`.
    router = APIRouter(tags=["analytics"], dependencies=[Depends(HTTPBearer(scheme_name="api_key", auto_error=False))])

    def admit(request: Request) -> Reader:
        key = bearer_key(request)
        if key is None:
            raise ProblemError(Problem.UNAUTHORIZED)
        return access.authenticate(request, key)

    @router.get("/v1/analytics", operation_id="list_reports", response_model=None, responses=responses(*_COMMON))
    async def list_reports(request: Request) -> dict[str, Any]:
        """Every report that the key may read: the question it answers, its parameters with defaults, its money columns,
        and what columns mean whose names do not say it."""
        reader = admit(request)
        reports = read_reports(of_client=reader.only is not None)
        return {"data": [_described(report) for report in reports.values()]}

    @router.get(
        "/v1/analytics/{name}",
        operation_id="read_report",
        response_model=None,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}, "text/csv": {}}},
            **responses(
                *_COMMON, Problem.TOO_MANY, Problem.UNKNOWN_REPORT, Problem.INVALID_PARAMETER, Problem.NOT_ACCEPTABLE
            ),
        },
    )
    async def read_report(
        request: Request,
        name: Annotated[str, Path(description="a report that `/v1/analytics` lists", examples=["books_by_day"])],
    ) -> Response | dict[str, Any]:
        """Run a report; the result has at most 100,000 rows. The report's parameters are query parameters with
        defaults. With ``analytics:read`` a client sees its own payments, with ``analytics:all`` those of all clients.
        Money columns are minor units of the row's currency. ``Accept: text/csv`` returns a file."""
        reader = admit(request)
        accepted = request.headers.get("accept", "*/*")
        csv = "text/csv" in accepted
        if not csv and not any(type in accepted for type in ("application/json", "application/*", "*/*")):
            raise ProblemError(Problem.NOT_ACCEPTABLE)
        report, result = await store.run(name, dict(request.query_params), reader.only)
        if csv:
            return Response(as_csv(result), media_type="text/csv")
        rows = [dict(zip(result.columns, map(_plain, row), strict=True)) for row in result.rows]
        return {
            "name": report.name,
            "question": report.question,
            "money": report.money,
            "columns": result.columns,
            "rows": rows,
        }

    return router


def _described(report: Report) -> dict[str, Any]:
    parameters = [
        {"name": p.name, "type": p.type, "default": p.default, "meaning": p.meaning} for p in report.parameters
    ]
    return {
        "name": report.name,
        "question": report.question,
        "parameters": parameters,
        "money": report.money,
        "meanings": report.meanings,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else text(value)
