"""``/v1/clearing``: how days stand and the runs asked for, the books' days, what is stuck."""

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from admin.clearing.context import ADMISSION, BODY, READS, Closer, Injected, Writer, api_client, documented, read_json
from admin.clearing.schemas import CloseIn, DaysQuery, RunIn
from admin.clearing.views import (
    DayList,
    DayView,
    ProviderDayView,
    StuckList,
    TrialBalanceView,
    balance_view,
    day_view,
    stuck_view,
)
from admin.problems import Problem, responses
from backoffice.clearing import closing, runs, stuck
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.edge.queries import single_values
from ingest_api.openapi.responses import LOCATION, conditional
from ingest_api.problems import Problem as RequestProblem

PATH: Final = "/v1/clearing"
#: Found by each rule of what is stuck.
STUCK_LIMIT: Final = 100

Day = Annotated[date, Path(description="the day", examples=["2026-11-23"])]

router: Final = APIRouter(tags=["clearing"], prefix=PATH)
reads: Final = APIRouter(tags=["clearing"], prefix=PATH, route_class=ConditionalRoute, dependencies=[CONDITIONAL])


async def _run_body(request: Request, _client: Writer) -> RunIn:
    return await read_json(request, RunIn)


async def _close_body(request: Request, _client: Closer) -> CloseIn:
    return await read_json(request, CloseIn)


@reads.get(
    "/days",
    operation_id="list_days",
    summary="List days",
    dependencies=[READS, Depends(single_values)],
    responses=conditional("The days")
    | responses(*ADMISSION, RequestProblem.INVALID_REQUEST, RequestProblem.CARD_NUMBER),
)
async def list_days(clearing: Injected, query: Annotated[DaysQuery, Query()]) -> DayList:
    """How business days stand at each provider, the latest first."""
    async with clearing.at_work(Problem.RUN_REFUSED):
        found = await runs.status(
            clearing.settings, query.provider, since=query.from_ or date.min, until=query.to or date.max,
            state=query.state, limit=query.limit,
        )  # fmt: skip
    return DayList(data=tuple(map(day_view, found)))


@reads.get(
    "/days/{day}",
    operation_id="read_day",
    summary="Read a day",
    dependencies=[READS],
    responses=conditional("The day at each provider that has a run of it") | responses(*ADMISSION, Problem.NOT_FOUND),
)
async def read_day(clearing: Injected, day: Day) -> DayView:
    """How a business day stands. The books' side of it: `/v1/clearing/trial-balance/{day}`."""
    async with clearing.at_work(Problem.RUN_REFUSED):
        found = await runs.status(clearing.settings, since=day, until=day, limit=1)
    return DayView(date=day, providers=tuple(map(day_view, found)))


@router.post(
    "/runs",
    operation_id="request_run",
    summary="Ask for a run",
    status_code=202,
    responses={
        202: {"description": "The scheduler runs the day", "headers": LOCATION},
        **responses(*ADMISSION, *BODY, Problem.RUN_REFUSED, Problem.STATEMENT_DOUBTED),
    },
    openapi_extra=documented(RunIn),
)
async def request_run(
    response: Response, clearing: Injected, client: Writer, body: Annotated[RunIn, Depends(_run_body)]
) -> ProviderDayView:
    """The scheduler clears the day again, or for the first time: read it at Location until its state is `done`. Needs
    no Idempotency-Key: a run of a day that is cleared changes nothing."""
    who = api_client(client, body.reason)
    async with clearing.at_work(Problem.RUN_REFUSED):
        asked = await runs.request(
            clearing.settings, clearing.settlements, who, body.date, body.provider, believe=body.believe
        )
    response.headers["Location"] = f"{PATH}/days/{body.date}"
    return day_view(asked)


@reads.get(
    "/stuck",
    operation_id="list_stuck",
    summary="List what is stuck",
    dependencies=[READS],
    responses=conditional("What is stuck now") | responses(*ADMISSION),
)
async def list_stuck(clearing: Injected) -> StuckList:
    """Payments, operations and callbacks that nothing has settled in time: the 100 oldest by each rule."""
    async with clearing.at_work(Problem.RUN_REFUSED):
        found = await stuck.find(clearing.settings, STUCK_LIMIT)
    return StuckList(data=tuple(map(stuck_view, found)))


@reads.get(
    "/trial-balance/{day}",
    operation_id="read_trial_balance",
    summary="Read the trial balance of a day",
    dependencies=[READS],
    responses=conditional("Every account over the day")
    | responses(*ADMISSION, Problem.NOT_FOUND, Problem.NO_TRIAL_BALANCE),
)
async def read_trial_balance(clearing: Injected, day: Day) -> TrialBalanceView:
    """As the day was closed, or of an open day as it stands."""
    async with clearing.at_work(Problem.NO_TRIAL_BALANCE):
        return balance_view(await closing.balance_of(clearing.settings, day))


@router.post(
    "/days/{day}/close",
    operation_id="close_day",
    summary="Close a day of the books",
    responses=responses(*ADMISSION, *BODY, Problem.NOT_FOUND, Problem.DAY_NOT_CLOSED, Problem.LEDGER_BUSY),
    openapi_extra=documented(CloseIn),
)
async def close_day(
    clearing: Injected, client: Closer, day: Day, body: Annotated[CloseIn, Depends(_close_body)]
) -> TrialBalanceView:
    """Nothing is ever booked on it again; what comes later counts on the first open day. Needs no Idempotency-Key: a
    day that is closed is answered as it was closed, and by whom."""
    who = api_client(client, body.reason)
    async with clearing.at_work(Problem.DAY_NOT_CLOSED):
        closed = await closing.closed_balance(clearing.settings, day)
        return balance_view(
            closed or await closing.close_day(clearing.settings, clearing.settlements, who, day, force=body.force)
        )
