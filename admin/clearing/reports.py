"""``/v1/clearing/days/{day}/report.html`` and ``.csv``: a day for finance."""

from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Response

from admin.clearing.context import ADMISSION, READS, Injected
from admin.clearing.days import PATH, Day
from admin.clearing.schemas import CsvQuery, ReportQuery
from admin.problems import Problem, responses
from backoffice.clearing import report
from ingest_api.edge.queries import single_values
from ingest_api.problems import Problem as RequestProblem

#: The page has its styles inside.
HTML_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
CSV_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

router: Final = APIRouter(tags=["clearing"], prefix=f"{PATH}/days", dependencies=[READS, Depends(single_values)])


def _answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": "The report", "content": {media_type: {}}},
        **responses(*ADMISSION, Problem.NOT_FOUND, RequestProblem.INVALID_REQUEST, RequestProblem.CARD_NUMBER),
    }


@router.get(
    "/{day}/report.html",
    operation_id="read_report_page",
    summary="Read the report of a day as a page",
    response_class=Response,
    responses=_answers("text/html"),
)
async def read_page(clearing: Injected, day: Day, query: Annotated[ReportQuery, Query()]) -> Response:
    """One file that needs nothing else, to read, print and send on. It shows 200 rows of each section."""
    async with clearing.at_work(RequestProblem.INVALID_REQUEST):
        made = await report.build(clearing.settings, clearing.settlements, day, query.provider)
        page = await to_thread.run_sync(report.as_html, made)
    return Response(page, media_type="text/html", headers=HTML_HEADERS)


@router.get(
    "/{day}/report.csv",
    operation_id="read_report_csv",
    summary="Read the report of a day for spreadsheets",
    response_class=Response,
    responses=_answers("text/csv"),
)
async def read_csv(clearing: Injected, day: Day, query: Annotated[CsvQuery, Query()]) -> Response:
    """UTF-8 with a byte order mark: all sections, each below its title and behind an empty line, or one as a table. A
    column of money is two, in whole units and in minor ones. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    async with clearing.at_work(RequestProblem.INVALID_REQUEST):
        made = await report.build(clearing.settings, clearing.settlements, day, query.provider)
        rows = await to_thread.run_sync(report.as_csv, made, query.section)
    file = "-".join(filter(None, ("clearing", str(day), query.provider, query.section)))
    return Response(
        rows,
        media_type="text/csv",
        headers={**CSV_HEADERS, "Content-Disposition": f'attachment; filename="{file}.csv"'},
    )
