"""``POST /v1/subscriptions``: begins a subscription with its first payment."""

from datetime import datetime
from time import monotonic
from typing import Annotated, Final
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request, Response

from billing.messages.subscription_commands import Consent, Subscribe
from billing.subscriptions.prices import Price, subscription_id
from billing.vocabulary import CaptureMode, MethodStatus
from ingest_api.auth.client import SubscriptionsWriter
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.openapi.responses import COMMAND, LOCATION, REPLAYED_HEADER, RETRY_AFTER, link, problems, request_body
from ingest_api.payments.create import require_allowed_hosts
from ingest_api.payments.schemas import parse
from ingest_api.payments.submit import Preferred
from ingest_api.problems import Problem, ProblemError
from ingest_api.routing.rules import RoutingCriteria
from ingest_api.subscriptions.acting import (
    PATH,
    answer,
    require_provider,
    require_test_clocks,
    saved_method,
    send,
    time_of,
    to_charge,
)
from ingest_api.subscriptions.schemas import SubscribeIn
from ingest_api.subscriptions.views import AcceptedSubscription, SubscriptionView
from storage.saved_methods import StoredMethod
from storage.subscriptions.plans import Plan

router: Final = APIRouter(tags=["subscriptions"])

#: What can be done with a new subscription next.
_NEXT: Final = {
    name: member
    for operation, description in {
        "read_subscription": "Its state",
        "subscription_events": "Its changes as they happen",
        "read_forecast": "What it will be charged, and when",
        "cancel_subscription": "End it",
    }.items()
    for name, member in link(operation, description, subscription_id="$response.body#/id").items()
}


async def _body(
    request: Request, dependencies: Injected, _client: SubscriptionsWriter, _key: IdempotencyKey
) -> SubscribeIn:
    return parse(SubscribeIn, await json_body(request, dependencies.settings.body_limit_bytes))


@router.post(
    PATH,
    status_code=201,
    summary="Subscribe",
    responses={
        201: {
            "model": SubscriptionView,
            "description": "The customer can pay at `latest_payment.payment_url`, or has paid already",
            "headers": {**LOCATION, **REPLAYED_HEADER},
            "links": _NEXT,
        },
        202: {
            "model": AcceptedSubscription,
            "description": "The command is stored, the payment page is not known yet: read the subscription at Location. "
            "Carries the whole subscription where that is known.",
            "headers": {**LOCATION, **RETRY_AFTER, **REPLAYED_HEADER},
            "links": _NEXT,
        },
        **problems(
            *COMMAND,
            Problem.ALREADY_SUBSCRIBED,
            Problem.FIRST_PAYMENT_OPEN,
            Problem.PLAN_ARCHIVED,
            Problem.UNKNOWN_PRICE,
            Problem.INVALID_PRICE,
            Problem.UNKNOWN_PROVIDER,
            Problem.NO_PROVIDER,
            Problem.UNKNOWN_PAYMENT_METHOD,
            Problem.PAYMENT_METHOD_REMOVED,
            Problem.UNKNOWN_TEST_CLOCK,
            Problem.TEST_CLOCK_NEEDS_SANDBOX,
            Problem.TEST_CLOCKS_OFF,
            Problem.TEST_CLOCK_FULL,
        ),
    },
    openapi_extra=request_body(SubscribeIn),
)
async def subscribe(
    request: Request,
    dependencies: Injected,
    client: SubscriptionsWriter,
    key: IdempotencyKey,
    preferred: Preferred,
    body: Annotated[SubscribeIn, Depends(_body)],
) -> Response:
    """The customer pays the first period on the provider's page, which saves the method for the renewals; access begins
    when it is paid. With a `payment_method_id` that method is charged instead. A customer has one subscription in a group of
    plans: after its end this begins its next life. Waits for the payment page as long as `Prefer: wait` allows."""
    started = monotonic()
    require_allowed_hosts(body.return_urls, request.state.api_key)
    command_id = idempotency.command_id(client, key)
    fingerprint = idempotency.fingerprint(body, "subscribe")
    if dependencies.recent_keys.conflicts(command_id, fingerprint):
        raise ProblemError(Problem.IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was used before with another body")
    plan, price = await _price(dependencies, client, body)
    id = subscription_id(client, price.group, body.customer_id)
    saved = None
    if body.payment_method_id is not None:
        saved = await saved_method(dependencies, client, body.customer_id, body.payment_method_id)
    command = Subscribe(
        id,
        command_id=idempotency.operation_id(client, id, key),
        fingerprint=fingerprint,
        at=await _begins(dependencies, client, body.test_clock, id),
        client_id=client,
        customer_id=body.customer_id,
        price=price,
        provider=_provider(dependencies, body, price, saved),
        zone=dependencies.settings.business_zone,
        consent=_consent(body, idempotency.operation_id(client, id, key)),
        contact=body.contacts(),
        return_urls=body.urls(),
        method=None if saved is None else to_charge(saved),
        replace=body.replace,
        payment_ttl_s=dependencies.settings.payment_ttl_s,
        clock_id=body.test_clock,
        metadata=body.metadata,
    )
    committed = await dependencies.subscriptions.subscription(client, id)
    is_repeat = committed is not None and any(c.id == command.command_id for c in committed.commands)
    if plan.archived_at is not None and not is_repeat:
        raise ProblemError(Problem.PLAN_ARCHIVED)
    if saved is not None and saved.status is not MethodStatus.ACTIVE and not is_repeat:
        raise ProblemError(Problem.PAYMENT_METHOD_REMOVED)
    deadline = started + preferred.wait_s
    reply, applied = await send(dependencies, request, client, committed, command, preferred, deadline)
    dependencies.recent_keys.remember(command_id, fingerprint)
    return answer(id, reply, applied, status=201)


async def _begins(dependencies: Dependencies, client: str, clock_id: UUID | None, id: UUID) -> datetime | None:
    """The time of the test clock that subscription ``id`` is to live by; ``None`` without one. Requests that are under way
    are not counted, so concurrent ones can exceed the limit."""
    if clock_id is None:
        return None
    require_test_clocks(dependencies)
    now = await time_of(dependencies, client, clock_id)
    if not await dependencies.test_clocks.has_room(clock_id, id):
        raise ProblemError(Problem.TEST_CLOCK_FULL)
    return now


async def _price(dependencies: Dependencies, client: str, body: SubscribeIn) -> tuple[Plan, Price]:
    """The plan and the price to subscribe to; 422 where there is none."""
    price = None if body.price is None else await dependencies.plans.price(client, body.price)
    plan_id = body.plan if price is None else price.plan
    plan = None if plan_id is None else await dependencies.plans.plan(client, plan_id)
    if plan is not None and price is None and body.currency is not None:
        price = plan.price(body.currency)
    if plan is None or price is None:
        raise ProblemError(Problem.UNKNOWN_PRICE)
    return plan, price


def _provider(dependencies: Dependencies, body: SubscribeIn, price: Price, method: StoredMethod | None) -> str:
    """The method's provider, the named one, or the first that the routing rules choose."""
    if method is not None:
        provider = method.provider
    elif body.provider is not None:
        provider = body.provider
    else:
        criteria = RoutingCriteria(price.currency, price.amount, body.country, body.method, CaptureMode.ONE_STAGE)
        provider = dependencies.selector.choose(criteria).providers[0]
    require_provider(dependencies, provider, body.test_clock)
    return provider


def _consent(body: SubscribeIn, command_id: UUID) -> Consent:
    given = body.consent
    return Consent(uuid5(command_id, "consent"), given.terms_sha256, given.shown, given.address, given.agent)
