"""``/v1/test-clocks``: a time of its own for some subscriptions, where all providers are sandboxes. Written to Postgres
directly; the scheduler moves them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from ingest_api.auth.client import SubscriptionsReader, SubscriptionsWriter
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.openapi.responses import (
    ADMISSION,
    BODY,
    COMMAND,
    LOCATION,
    REPLAYED_HEADER,
    conditional,
    problems,
    request_body,
)
from ingest_api.payments.schemas import parse
from ingest_api.payments.submit import REPLAYED
from ingest_api.problems import Problem, ProblemError, refused
from ingest_api.subscriptions.acting import require_test_clocks
from ingest_api.subscriptions.schemas import AdvanceTestClockIn, CreateTestClockIn
from storage.test_clocks import ClockRefused, ClockState, TestClock

PATH: Final = "/v1/test-clocks"

router: Final = APIRouter(tags=["test clocks"], prefix=PATH)
reads: Final = APIRouter(tags=["test clocks"], prefix=PATH, route_class=ConditionalRoute, dependencies=[CONDITIONAL])


class ClockStatus(StrEnum):
    """Whether a test clock moves."""

    READY = "READY"
    ADVANCING = "ADVANCING"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestClockView:
    """A time of its own for some subscriptions."""

    id: UUID
    name: str
    status: ClockStatus
    now_at: datetime
    target_at: datetime
    subscriptions: int
    charges_open: int
    created_at: datetime


def _view(state: ClockState) -> TestClockView:
    """A test clock as clients see it."""
    clock = state.clock
    return TestClockView(
        id=clock.id,
        name=clock.name,
        status=ClockStatus.READY if state.has_arrived else ClockStatus.ADVANCING,
        now_at=clock.now_at,
        target_at=clock.target_at,
        subscriptions=state.subscriptions,
        charges_open=state.charges_open,
        created_at=clock.created_at,
    )


ClockId = Annotated[UUID, Path(description="the test clock")]


async def _reader(dependencies: Injected, client: SubscriptionsReader) -> str:
    require_test_clocks(dependencies)
    return client


async def _writer(dependencies: Injected, client: SubscriptionsWriter) -> str:
    require_test_clocks(dependencies)
    return client


Reader = Annotated[str, Depends(_reader)]
Writer = Annotated[str, Depends(_writer)]


async def _new_clock(
    request: Request, dependencies: Injected, _client: Writer, _key: IdempotencyKey
) -> CreateTestClockIn:
    return parse(CreateTestClockIn, await json_body(request, dependencies.settings.body_limit_bytes))


async def _target(request: Request, dependencies: Injected, _client: Writer) -> AdvanceTestClockIn:
    return parse(AdvanceTestClockIn, await json_body(request, dependencies.settings.body_limit_bytes))


async def _find(dependencies: Dependencies, client: str, id: UUID) -> ClockState:
    """The client's clock; 404 when it has none with this id."""
    state = await dependencies.test_clocks.clock(client, id)
    if state is None:
        raise ProblemError(Problem.TEST_CLOCK_NOT_FOUND, Problem.TEST_CLOCK_NOT_FOUND.cause)
    return state


@router.post(
    "",
    status_code=201,
    summary="Make a test clock",
    responses={
        201: {"description": "The test clock, made now or before", "headers": {**LOCATION, **REPLAYED_HEADER}},
        **problems(*COMMAND, Problem.TEST_CLOCKS_OFF, Problem.INVALID_CLOCK_TIME),
    },
    openapi_extra=request_body(CreateTestClockIn),
)
async def create_test_clock(
    response: Response,
    dependencies: Injected,
    client: Writer,
    key: IdempotencyKey,
    body: Annotated[CreateTestClockIn, Depends(_new_clock)],
) -> TestClockView:
    """Subscriptions that name it in `test_clock` live by it, at most 1,000. It stands still until it is advanced, and stays
    for good: what happened to its subscriptions is dated by it."""
    now = dependencies.clock()
    at = body.at or now
    clock = TestClock(idempotency.command_id(client, key), client, body.name, at, at, now)
    try:
        is_new = await dependencies.test_clocks.create(clock, idempotency.fingerprint(body, "test clock"))
    except ClockRefused as error:
        raise refused(error.refusal) from error
    response.headers["Location"] = f"{PATH}/{clock.id}"
    if not is_new:
        response.headers[REPLAYED] = "true"
    return _view(await _find(dependencies, client, clock.id))


@router.post(
    "/{clock_id}/advance",
    summary="Advance a test clock",
    responses={
        200: {"description": "The test clock, on its way or there"},
        **problems(
            *ADMISSION,
            Problem.TEST_CLOCKS_OFF,
            *BODY,
            Problem.TEST_CLOCK_NOT_FOUND,
            Problem.INVALID_CLOCK_TIME,
        ),
    },
    openapi_extra=request_body(AdvanceTestClockIn),
)
async def advance_test_clock(
    dependencies: Injected, client: Writer, clock_id: ClockId, body: Annotated[AdvanceTestClockIn, Depends(_target)]
) -> TestClockView:
    """It goes on by itself: each appointment of its subscriptions is kept at its time, each charge made and answered. Read
    it until its status is `READY`. Needs no Idempotency-Key: a repeat changes nothing."""
    await _find(dependencies, client, clock_id)
    try:
        await dependencies.test_clocks.advance(clock_id, body.to)
    except ClockRefused as error:
        raise refused(error.refusal) from error
    return _view(await _find(dependencies, client, clock_id))


@reads.get(
    "/{clock_id}",
    summary="Read a test clock",
    responses=conditional("The test clock")
    | problems(*ADMISSION, Problem.TEST_CLOCKS_OFF, Problem.TEST_CLOCK_NOT_FOUND),
)
async def read_test_clock(dependencies: Injected, client: Reader, clock_id: ClockId) -> TestClockView:
    """Where it stands, and what it waits for. Its subscriptions: `GET /v1/subscriptions?test_clock=…`."""
    return _view(await _find(dependencies, client, clock_id))
