"""``GET /v1/analytics`` and ``GET /v1/analytics/{name}``: the named reports for machines."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from admin.problems import Problem, ProblemError, answered
from admin.report_access import Readers, digest_of
from admin.report_store import Warehouse
from analytics.answer import as_csv, text
from analytics.report import Report, read_reports

_BEARER: Final = "bearer "
_EXAMPLE: Final = {
    "name": "books_by_day",
    "question": "What came in and went out each day, as the ledger has it: gross, refunds, fees, net?",
    "columns": ["day", "currency", "gross", "refunds", "fees", "net"],
    "money": ["gross", "refunds", "fees", "net"],
    "rows": [{"day": "2026-11-23", "currency": "RUB", "gross": 358800, "refunds": 29900, "fees": 0, "net": 328900}],
}


def _problems(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """How OpenAPI tells them."""
    found: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        example = {"type": problem.uri, "title": problem.title, "status": problem.status}
        answer = found.setdefault(
            problem.status, {"description": problem.title, "content": {"application/problem+json": {"examples": {}}}}
        )
        answer["content"]["application/problem+json"]["examples"][problem.code] = {"value": example}
    return found


_DOOR: Final = (Problem.UNAUTHORIZED, Problem.FORBIDDEN, Problem.AWAY)


def analytics_api(readers: Readers, warehouse: Warehouse) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["analytics"])

    async def admit(request: Request) -> None:
        header = request.headers.get("authorization", "")
        if header[: len(_BEARER)].lower() != _BEARER:
            raise ProblemError(Problem.UNAUTHORIZED)
        await readers.client(digest_of(header[len(_BEARER) :]))

    @router.get("/v1/analytics", operation_id="list_reports", response_model=None, responses=_problems(*_DOOR))
    async def list_reports(request: Request) -> dict[str, Any]:
        """Every report: the question it answers, its parameters with their defaults, its columns of money."""
        await admit(request)
        return {"data": [_described(report) for report in read_reports().values()]}

    @router.get(
        "/v1/analytics/{name}",
        operation_id="read_report",
        response_model=None,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}, "text/csv": {}}},
            **_problems(
                *_DOOR, Problem.TOO_MANY, Problem.UNKNOWN_REPORT, Problem.INVALID_PARAMETER, Problem.NOT_ACCEPTABLE
            ),
        },
    )
    async def read_report(
        request: Request, name: Annotated[str, Path(description="one of those listed", examples=["books_by_day"])]
    ) -> Response | dict[str, Any]:
        """A report's answer, of at most 100,000 rows. Its parameters are query parameters; those left out have their
        defaults. Columns of money are minor units of the row's currency. ``Accept: text/csv`` gives a file."""
        await admit(request)
        wanted = request.headers.get("accept", "*/*")
        csv = "text/csv" in wanted
        if not csv and not any(word in wanted for word in ("application/json", "application/*", "*/*")):
            raise ProblemError(Problem.NOT_ACCEPTABLE)
        report, result = await warehouse.ask(name, dict(request.query_params))
        if csv:
            return Response(as_csv(result), media_type="text/csv")
        rows = [dict(zip(result.columns, map(_plain, row), strict=True)) for row in result.rows]
        told = {"name": report.name, "question": report.question, "money": report.money}
        return {**told, "columns": result.columns, "rows": rows}

    return router


async def as_problem(_request: Request, error: Exception) -> Response:
    """What a raised problem becomes outside the pages."""
    assert isinstance(error, ProblemError)
    return answered(error)


def _described(report: Report) -> dict[str, Any]:
    parameters = [
        {"name": p.name, "type": p.type, "default": p.default, "meaning": p.meaning} for p in report.parameters
    ]
    return {"name": report.name, "question": report.question, "parameters": parameters, "money": report.money}


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else text(value)
