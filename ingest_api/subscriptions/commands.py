"""``POST /v1/subscriptions/{subscription_id}/cancel``, ``/keep``, ``/pay``, ``/extend``; ``PUT …/method``."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    PayNow,
    SubscriptionCommand,
)
from billing.messages.subscription_events import SubscriptionReply
from billing.orders import ReturnUrls
from billing.subscriptions.decision import snapshot
from billing.subscriptions.model import Subscription
from billing.vocabulary import MethodStatus
from ingest_api.auth.client import Administrator, SubscriptionsReader, SubscriptionsWriter
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.edge.prefer import Preference
from ingest_api.openapi.responses import (
    ADMISSION,
    BODY,
    COMMAND,
    LOCATION,
    REPLAYED_HEADER,
    RETRY_AFTER,
    Responses,
    problems,
    request_body,
)
from ingest_api.payments.create import require_allowed_hosts
from ingest_api.payments.schemas import Strict, parse
from ingest_api.payments.submit import Preferred
from ingest_api.problems import Problem, ProblemError
from ingest_api.subscriptions.acting import (
    PATH,
    answer,
    find_subscription,
    foresee,
    require_provider,
    saved_method,
    send,
    time_of,
    to_charge,
)
from ingest_api.subscriptions.schemas import (
    CancelSubscriptionIn,
    ChangeMethodIn,
    ExtendIn,
    KeepSubscriptionIn,
    PayNowIn,
)
from ingest_api.subscriptions.views import (
    AcceptedSubscription,
    CancellationView,
    SubscriptionView,
    cancellation_view,
)

router: Final = APIRouter(prefix=f"{PATH}/{{subscription_id}}", tags=["subscriptions"])

Body = TypeVar("Body", bound=Strict)
#: Makes the command to a subscription of the members that every command has.
Make = Callable[[Subscription, dict[str, Any]], SubscriptionCommand]


@dataclass(frozen=True, slots=True)
class Action:
    """A request for an action on a subscription, its body aside."""

    request: Request
    dependencies: Dependencies
    client: str
    subscription_id: UUID
    key: str
    preferred: Preference
    started: float

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.request.url.path.rpartition("/")[2]

    async def perform(self, body: Strict, make: Make) -> tuple[SubscriptionReply | None, Preference]:
        """Send the command that ``make`` makes; its reply, and the preference that was applied."""
        dependencies = self.dependencies
        s = await find_subscription(dependencies, self.client, self.subscription_id)
        members = {
            "subscription_id": s.id,
            "command_id": idempotency.operation_id(self.client, s.id, self.key),
            "fingerprint": idempotency.fingerprint(body, self.name),
            "at": await time_of(dependencies, self.client, s.clock_id),
        }
        deadline = self.started + self.preferred.wait_s
        command = make(s, members)
        return await send(dependencies, self.request, self.client, s, command, self.preferred, deadline)

    async def answer(self, body: Strict, make: Make) -> Response:
        """:meth:`perform`, and show the subscription after it."""
        reply, applied = await self.perform(body, make)
        return answer(self.subscription_id, reply, applied, status=200)


async def _action(
    request: Request,
    dependencies: Injected,
    client: SubscriptionsWriter,
    key: IdempotencyKey,
    preferred: Preferred,
    subscription_id: UUID,
) -> Action:
    return Action(request, dependencies, client, subscription_id, key, preferred, monotonic())


async def _operators_action(
    request: Request,
    dependencies: Injected,
    client: Administrator,
    key: IdempotencyKey,
    preferred: Preferred,
    subscription_id: UUID,
) -> Action:
    return Action(request, dependencies, client, subscription_id, key, preferred, monotonic())


Requested = Annotated[Action, Depends(_action)]
RequestedByOperator = Annotated[Action, Depends(_operators_action)]


def _body(model: type[Body], action: Callable[..., Any] = _action) -> Callable[..., Any]:
    """The validated body, read only for an admitted client with an Idempotency-Key."""

    async def read(requested: Annotated[Action, Depends(action)]) -> Body:
        limit = requested.dependencies.settings.body_limit_bytes
        return parse(model, await json_body(requested.request, limit))

    return read


def _responses(model: Any, *refusals: Problem) -> Responses:
    return {
        200: {"model": model, "description": "The command is carried out", "headers": {**LOCATION, **REPLAYED_HEADER}},
        202: {
            "model": AcceptedSubscription,
            "description": "The command is stored, its outcome is not known yet: read the subscription at Location. "
            "Carries the whole subscription where that is known.",
            "headers": {**LOCATION, **RETRY_AFTER, **REPLAYED_HEADER},
        },
        **problems(*COMMAND, Problem.SUBSCRIPTION_NOT_FOUND, *refusals),
    }


@router.post(
    "/cancel",
    summary="Cancel a subscription",
    responses=_responses(CancellationView, Problem.SUBSCRIPTION_ENDED),
    openapi_extra=request_body(CancelSubscriptionIn),
)
async def cancel_subscription(
    action: Requested, body: Annotated[CancelSubscriptionIn, Depends(_body(CancelSubscriptionIn))]
) -> Response:
    """At the end of the period that is paid for, or now with the refund that the price allows. What is not paid for is not
    owed: a renewal that is declined or under way is given up, and given back if it is captured all the same."""
    reply, applied = await action.perform(body, _cancel(body))
    refunded = 0 if reply is None else reply.refunded
    return answer(
        action.subscription_id, reply, applied, status=200, view=lambda shown: cancellation_view(shown, refunded)
    )


async def _preview_body(request: Request, dependencies: Injected, _client: SubscriptionsReader) -> CancelSubscriptionIn:
    return parse(CancelSubscriptionIn, await json_body(request, dependencies.settings.body_limit_bytes))


@router.post(
    "/cancel/preview",
    summary="Preview a cancellation",
    responses={
        200: {"description": "What a cancellation with this body would do now"},
        **problems(
            *ADMISSION,
            *BODY,
            Problem.SUBSCRIPTION_NOT_FOUND,
            Problem.SUBSCRIPTION_ENDED,
        ),
    },
    openapi_extra=request_body(CancelSubscriptionIn),
)
async def preview_cancellation(
    dependencies: Injected,
    client: SubscriptionsReader,
    subscription_id: UUID,
    body: Annotated[CancelSubscriptionIn, Depends(_preview_body)],
) -> CancellationView:
    """By the same rules, on the subscription as it is committed. Changes nothing."""
    s = await find_subscription(dependencies, client, subscription_id)
    at = await time_of(dependencies, client, s.clock_id)
    command = _cancel(body)(s, {"subscription_id": s.id, "command_id": UUID(int=0), "at": at})
    decision = foresee(dependencies, s, command)
    assert decision.subscription is not None
    return cancellation_view(snapshot(decision.subscription), decision.refunded, is_preview=True)


@router.post(
    "/keep",
    summary="Take a cancellation back",
    responses=_responses(SubscriptionView, Problem.NOT_CANCELLED, Problem.NO_METHOD, Problem.SUBSCRIPTION_ENDED),
    openapi_extra=request_body(KeepSubscriptionIn),
)
async def keep_subscription(
    action: Requested, body: Annotated[KeepSubscriptionIn, Depends(_body(KeepSubscriptionIn))]
) -> Response:
    """It renews again at the end of its period."""
    return await action.answer(body, lambda _, members: KeepSubscription(**members))


@router.post(
    "/pay",
    summary="Pay a declined renewal",
    responses=_responses(
        SubscriptionView,
        Problem.NOTHING_DUE,
        Problem.CHARGE_OPEN,
        Problem.TOO_MANY_TRIES,
        Problem.UNKNOWN_PROVIDER,
        Problem.TEST_CLOCK_NEEDS_SANDBOX,
    ),
    openapi_extra=request_body(PayNowIn),
)
async def pay_subscription(action: Requested, body: Annotated[PayNowIn, Depends(_body(PayNowIn))]) -> Response:
    """Opens a page at `latest_payment.payment_url`. The method that the customer pays with is charged from then on."""
    dependencies = action.dependencies
    require_allowed_hosts(body.return_urls, action.request.state.api_key)
    if body.provider is not None and body.provider not in dependencies.providers:
        raise ProblemError(Problem.UNKNOWN_PROVIDER, providers=sorted(dependencies.providers))
    urls = None if body.return_urls is None else ReturnUrls(body.return_urls.success, body.return_urls.failure)

    def make(s: Subscription, members: dict[str, Any]) -> PayNow:
        provider = body.provider or s.provider
        if s.clock_id is not None and provider not in dependencies.sandboxes:
            raise ProblemError(Problem.TEST_CLOCK_NEEDS_SANDBOX)
        ttl_s = dependencies.settings.payment_ttl_s
        return PayNow(**members, provider=provider, return_urls=urls, payment_ttl_s=ttl_s)

    return await action.answer(body, make)


@router.put(
    "/method",
    summary="Change the payment method of a subscription",
    responses=_responses(
        SubscriptionView,
        Problem.SUBSCRIPTION_ENDED,
        Problem.TOO_MANY_TRIES,
        Problem.UNKNOWN_PAYMENT_METHOD,
        Problem.PAYMENT_METHOD_REMOVED,
        Problem.UNKNOWN_PROVIDER,
        Problem.TEST_CLOCK_NEEDS_SANDBOX,
    ),
    openapi_extra=request_body(ChangeMethodIn),
)
async def change_method(action: Requested, body: Annotated[ChangeMethodIn, Depends(_body(ChangeMethodIn))]) -> Response:
    """It is charged from now on; a declined renewal at once. Takes back a cancellation that was for want of a method."""
    dependencies = action.dependencies
    s = await find_subscription(dependencies, action.client, action.subscription_id)
    method = await saved_method(dependencies, action.client, s.customer_id, body.payment_method_id)
    require_provider(dependencies, method.provider, s.clock_id)

    def make(s: Subscription, members: dict[str, Any]) -> ChangeMethod:
        if method.status is not MethodStatus.ACTIVE and not _is_repeat(s, members["command_id"]):
            raise ProblemError(Problem.PAYMENT_METHOD_REMOVED)
        return ChangeMethod(**members, method=to_charge(method))

    return await action.answer(body, make)


@router.post(
    "/extend",
    summary="Extend the paid period",
    responses=_responses(SubscriptionView, Problem.NOT_EXTENDABLE, Problem.INVALID_END),
    openapi_extra=request_body(ExtendIn),
)
async def extend_subscription(
    action: RequestedByOperator, body: Annotated[ExtendIn, Depends(_body(ExtendIn, _operators_action))]
) -> Response:
    """Support gives time. A declined renewal is forgotten, and the next one is due at the new end."""
    operator = f"client:{action.client}"
    return await action.answer(
        body,
        lambda _, members: ExtendPeriod(**members, until=body.until, operator=operator, reason=body.reason),
    )


def _is_repeat(s: Subscription, command_id: UUID) -> bool:
    return any(command.id == command_id for command in s.commands)


def _cancel(body: CancelSubscriptionIn) -> Make:
    return lambda _, members: CancelSubscription(**members, when=body.when, refund=body.refund, comment=body.comment)
