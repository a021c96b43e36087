"""Reads of one subscription: its state, periods, attempts, forecast, timeline."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from billing.subscriptions.calendar import forecast
from billing.subscriptions.decision import snapshot
from billing.subscriptions.model import Subscription
from ingest_api.auth.client import SubscriptionsReader
from ingest_api.dependencies import Injected
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.openapi.responses import ADMISSION, conditional, problems
from ingest_api.payments.read import Timeline, TimelineEntry
from ingest_api.problems import Problem
from ingest_api.subscriptions.acting import PATH, find_subscription, time_of
from ingest_api.subscriptions.views import (
    AttemptList,
    Forecast,
    PeriodList,
    SubscriptionView,
    attempt_out,
    forecast_entry,
    period_out,
    subscription_view,
)

router: Final = APIRouter(
    prefix=f"{PATH}/{{subscription_id}}",
    tags=["subscriptions"],
    route_class=ConditionalRoute,
    dependencies=[CONDITIONAL],
)

PERIODS_DEFAULT: Final = 12
PERIODS_MAX: Final = 36


async def _own_subscription(dependencies: Injected, client: SubscriptionsReader, subscription_id: UUID) -> Subscription:
    return await find_subscription(dependencies, client, subscription_id)


#: The subscription of the path, as a parameter of an endpoint: the client's own.
OwnSubscription = Annotated[Subscription, Depends(_own_subscription)]


@router.get(
    "",
    summary="Read a subscription",
    responses=conditional("The subscription") | problems(*ADMISSION, Problem.SUBSCRIPTION_NOT_FOUND),
)
async def read_subscription(subscription: OwnSubscription) -> SubscriptionView:
    """The subscription as committed by the subscriptions agent."""
    return subscription_view(snapshot(subscription))


@router.get(
    "/periods",
    summary="List the periods of a subscription",
    responses=conditional("The periods, oldest first") | problems(*ADMISSION, Problem.SUBSCRIPTION_NOT_FOUND),
)
async def read_periods(dependencies: Injected, subscription: OwnSubscription) -> PeriodList:
    """Time that was sold, through all lives. A period is here once it is paid."""
    found = await dependencies.subscriptions.periods(subscription.id)
    return PeriodList(data=tuple(map(period_out, found)))


@router.get(
    "/attempts",
    summary="List the attempts of a subscription",
    responses=conditional("The attempts, by period") | problems(*ADMISSION, Problem.SUBSCRIPTION_NOT_FOUND),
)
async def read_attempts(dependencies: Injected, subscription: OwnSubscription) -> AttemptList:
    """Every payment that was tried for a period, and how it ended."""
    found = await dependencies.subscriptions.attempts(subscription.id)
    return AttemptList(data=tuple(map(attempt_out, found)))


@router.get(
    "/forecast",
    summary="Read what is to be charged",
    responses=conditional("What is to happen, in order")
    | problems(*ADMISSION, Problem.INVALID_REQUEST, Problem.SUBSCRIPTION_NOT_FOUND, Problem.UNKNOWN_TEST_CLOCK),
)
async def read_forecast(
    dependencies: Injected,
    client: SubscriptionsReader,
    subscription: OwnSubscription,
    periods: Annotated[int, Query(ge=1, le=PERIODS_MAX, description="payments ahead")] = PERIODS_DEFAULT,
) -> Forecast:
    """By the same rules that will charge it: what is charged, what the customer is told and until when access lasts, if
    every charge is paid and nobody sends a command. A payment that is open is taken as paid now."""
    now = await time_of(dependencies, client, subscription.clock_id) or dependencies.clock()
    entries = forecast(subscription, periods, max(now, subscription.updated_at))
    return Forecast(data=tuple(map(forecast_entry, entries)))


@router.get(
    "/timeline",
    summary="Read the timeline of a subscription",
    responses=conditional("The timeline, oldest first") | problems(*ADMISSION, Problem.SUBSCRIPTION_NOT_FOUND),
)
async def read_subscription_timeline(dependencies: Injected, subscription: OwnSubscription) -> Timeline:
    """Commands, wake-ups, outcomes of payments, transitions, attempts, letters and access in order, contacts masked. For
    people: `kind` is stable, the wording of `summary` is not."""
    entries = await dependencies.subscriptions.timeline(subscription.id)
    # Messages, stream positions and the names of operators are internal.
    return Timeline(data=tuple(TimelineEntry(at=e.at, kind=e.kind, summary=str(e.summary)) for e in entries))
