"""``/v1/plans``: what customers subscribe to, and what it costs. Written to Postgres directly."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Response

from ingest_api.auth.client import Administrator, SubscriptionsReader
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.openapi.responses import (
    ADMISSION,
    COMMAND,
    LOCATION,
    REPLAYED_HEADER,
    Responses,
    conditional,
    problems,
    request_body,
)
from ingest_api.payments.schemas import Strict, parse
from ingest_api.payments.submit import REPLAYED
from ingest_api.problems import Problem, ProblemError, refused
from ingest_api.subscriptions.schemas import AddPriceIn, CreatePlanIn, PlanId
from ingest_api.subscriptions.views import PlanList, PlanView, PriceView, plan_view, price_view
from storage.subscriptions.plans import Change, Plan, PlanRefused

PATH: Final = "/v1/plans"

router: Final = APIRouter(tags=["plans"])
reads: Final = APIRouter(tags=["plans"], prefix=PATH, route_class=ConditionalRoute, dependencies=[CONDITIONAL])

PlanOfPath = Annotated[PlanId, Path(description="the plan", examples=["cinema"])]


async def _plan_body(
    request: Request, dependencies: Injected, _client: Administrator, _key: IdempotencyKey
) -> CreatePlanIn:
    return parse(CreatePlanIn, await json_body(request, dependencies.settings.body_limit_bytes))


async def _price_body(
    request: Request, dependencies: Injected, _client: Administrator, _key: IdempotencyKey
) -> AddPriceIn:
    return parse(AddPriceIn, await json_body(request, dependencies.settings.body_limit_bytes))


async def find_plan(dependencies: Dependencies, client: str, plan_id: str) -> Plan:
    """The client's plan; 404 when it has none with this id."""
    plan = await dependencies.plans.plan(client, plan_id)
    if plan is None:
        raise ProblemError(Problem.PLAN_NOT_FOUND, Problem.PLAN_NOT_FOUND.cause)
    return plan


def _created(description: str) -> Responses:
    return {201: {"description": description, "headers": {**LOCATION, **REPLAYED_HEADER}}}


@router.post(
    PATH,
    status_code=201,
    summary="Make a plan",
    responses=_created("The plan, made now or before") | problems(*COMMAND, Problem.PLAN_EXISTS),
    openapi_extra=request_body(CreatePlanIn),
)
async def create_plan(
    response: Response,
    dependencies: Injected,
    client: Administrator,
    key: IdempotencyKey,
    body: Annotated[CreatePlanIn, Depends(_plan_body)],
) -> PlanView:
    """Its prices follow. Neither its title nor its group ever changes: receipts and subscriptions carry them."""
    change = _change(dependencies, client, key, body, "plan")
    try:
        is_new = await dependencies.plans.create(change, body.id, body.group or body.id, body.title)
    except PlanRefused as error:
        raise refused(error.refusal) from error
    _replayed(response, f"{PATH}/{body.id}", is_new=is_new)
    return plan_view(await find_plan(dependencies, client, body.id))


@router.post(
    f"{PATH}/{{plan_id}}/prices",
    status_code=201,
    summary="Add a price to a plan",
    responses=_created("The price, made now or before")
    | problems(*COMMAND, Problem.PLAN_NOT_FOUND, Problem.PLAN_ARCHIVED, Problem.INVALID_PRICE),
    openapi_extra=request_body(AddPriceIn),
)
async def add_price(
    response: Response,
    dependencies: Injected,
    client: Administrator,
    key: IdempotencyKey,
    plan_id: PlanOfPath,
    body: Annotated[AddPriceIn, Depends(_price_body)],
) -> PriceView:
    """A new version for new subscriptions in this currency. A price never changes: running subscriptions keep theirs."""
    change = _change(dependencies, client, key, body, f"price of {plan_id}")
    try:
        price, is_new = await dependencies.plans.add_price(change, plan_id, body.terms())
    except PlanRefused as error:
        raise refused(error.refusal) from error
    _replayed(response, f"{PATH}/{plan_id}", is_new=is_new)
    return price_view(price)


@router.post(
    f"{PATH}/{{plan_id}}/archive",
    summary="Archive a plan",
    responses={
        200: {"description": "The plan is archived, now or before"},
        **problems(*ADMISSION, Problem.PLAN_NOT_FOUND),
    },
)
async def archive_plan(dependencies: Injected, client: Administrator, plan_id: PlanOfPath) -> PlanView:
    """No subscription begins with it any more. Running subscriptions go on at their prices. A repeat changes nothing."""
    await dependencies.plans.archive(client, plan_id, by=f"client:{client}", at=dependencies.clock())
    return plan_view(await find_plan(dependencies, client, plan_id))


@reads.get(
    "",
    summary="List the plans",
    responses=conditional("The plans with all their prices, by id") | problems(*ADMISSION),
)
async def list_plans(dependencies: Injected, client: SubscriptionsReader) -> PlanList:
    """With all versions of their prices, archived plans too."""
    return PlanList(data=tuple(map(plan_view, await dependencies.plans.plans(client))))


@reads.get(
    "/{plan_id}",
    summary="Read a plan",
    responses=conditional("The plan with all its prices") | problems(*ADMISSION, Problem.PLAN_NOT_FOUND),
)
async def read_plan(dependencies: Injected, client: SubscriptionsReader, plan_id: PlanOfPath) -> PlanView:
    """With all versions of its prices."""
    return plan_view(await find_plan(dependencies, client, plan_id))


def _change(dependencies: Dependencies, client: str, key: str, body: Strict, action: str) -> Change:
    return Change(
        client_id=client,
        by=f"client:{client}",
        at=dependencies.clock(),
        command_id=idempotency.command_id(client, key),
        fingerprint=idempotency.fingerprint(body, action),
    )


def _replayed(response: Response, location: str, *, is_new: bool) -> None:
    response.headers["Location"] = location
    if not is_new:
        response.headers[REPLAYED] = "true"
