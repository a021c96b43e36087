"""``POST /v1/payments/{payment_id}/capture``, ``/void``, ``/refund``, ``/cancel``."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from billing.messages import CapturePayment, PaymentSnapshot, RefundLine, RefundPayment, RollbackPayment, VoidPayment
from billing.payments.decide import decide
from billing.payments.decision import snapshot
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from ingest_api.auth.client import WritingClient
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.idempotency import IdempotencyKey
from ingest_api.edge.prefer import Preference
from ingest_api.openapi.responses import (
    COMMAND,
    LOCATION,
    OWN_PAYMENT,
    REPLAYED_HEADER,
    RETRY_AFTER,
    Responses,
    link,
    problems,
    request_body,
)
from ingest_api.payments.read import find_payment
from ingest_api.payments.schemas import CancelIn, CaptureIn, RefundIn, Strict, VoidIn, parse
from ingest_api.payments.submit import REPLAYED, Preferred, outcome_of_first, submit
from ingest_api.payments.views import OperationResult, operation_result
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError, refused

router: Final = APIRouter(prefix="/v1/payments/{payment_id}", tags=["payments"])

ActionCommand = CapturePayment | VoidPayment | RefundPayment | RollbackPayment
Body = TypeVar("Body", bound=Strict)


@dataclass(frozen=True, slots=True)
class Action:
    """A request for an action on a payment, its body aside. ``operation_id`` is the same for every repeat."""

    request: Request
    response: Response
    dependencies: Dependencies
    client: str
    payment_id: UUID
    operation_id: UUID
    preferred: Preference
    started: float

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.request.url.path.rpartition("/")[2]

    def fingerprint(self, body: Strict) -> str:
        """Differs where the body or the action does."""
        return idempotency.fingerprint(body, self.name)

    async def perform(
        self, command: ActionCommand, is_allowed: Callable[[Payment], None] = lambda _payment: None
    ) -> OperationResult:
        """Submit ``command`` and give its outcome as far as it is known.

        What the committed payment refuses is refused at once, and a repeat is answered from it: it finds its operation,
        and its fingerprint shows when the body is another. The payments agent decides again, on the payment as it is
        then. ``is_allowed`` raises where the request may do less than the command could.
        """
        payment = await find_payment(self.dependencies.reads, self.client, self.payment_id)
        is_repeat = payment.operation(self.operation_id) is not None
        if not is_repeat:
            is_allowed(payment)
        foreseen = self._foreseen(payment, command)
        metadata = payment.order.metadata
        if is_repeat:
            return await self._repeated(payment)
        reply, applied = await submit(
            self.dependencies,
            self.request,
            command,
            id=f"{payment.id}/{self.operation_id}",
            source=f"/v1/payments/{payment.id}/{self.name}",
            client=self.client,
            wanted=self.preferred,
            deadline=self.started + self.preferred.wait_s,
        )
        if reply is not None and reply.refusal is not None:
            raise refused(reply.refusal)
        if reply is None or reply.payment is None:
            return self._answer(operation_result(foreseen, self.operation_id, metadata, known=False), applied)
        return self._answer(operation_result(reply.payment, self.operation_id, metadata, known=True), applied)

    async def _repeated(self, payment: Payment) -> OperationResult:
        """The outcome of the first command, waited for as long as this one's client prefers."""

        def has_ended(now: Payment) -> bool:
            operation = now.operation(self.operation_id)
            return operation is not None and not operation.is_open

        if not has_ended(payment):
            ended = await outcome_of_first(
                self.dependencies,
                self.request,
                self.client,
                payment.id,
                has_ended,
                self.started + self.preferred.wait_s,
            )
            payment = payment if ended is None else ended
        self.response.headers[REPLAYED] = "true"
        shown = snapshot(payment, payment.operations)
        return self._answer(
            operation_result(shown, self.operation_id, payment.order.metadata, known=True), self.preferred
        )

    def _foreseen(self, payment: Payment, command: ActionCommand) -> PaymentSnapshot:
        """The payment as it would be after ``command``; raises what the domain refuses."""
        decision = decide(payment, command, self.dependencies.clock())
        if decision.refusal is not None:
            raise refused(decision.refusal)
        assert decision.payment is not None
        return snapshot(decision.payment, decision.payment.operations)

    def _answer(self, result: OperationResult, applied: Preference) -> OperationResult:
        self.response.status_code = 200 if result.is_final else 202
        self.response.headers["Location"] = f"/v1/payments/{result.payment_id}/operations/{result.id}"
        if applied.applied is not None:
            self.response.headers["Preference-Applied"] = applied.applied
        if not result.is_final:
            self.response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return result


async def _action(
    request: Request,
    response: Response,
    dependencies: Injected,
    client: WritingClient,
    key: IdempotencyKey,
    preferred: Preferred,
    payment_id: UUID,
) -> Action:
    operation_id = idempotency.operation_id(client, payment_id, key)
    return Action(request, response, dependencies, client, payment_id, operation_id, preferred, monotonic())


Requested = Annotated[Action, Depends(_action)]


def _body(model: type[Body]) -> Callable[..., Any]:
    """The validated body, read only for an admitted client with an Idempotency-Key. FastAPI itself would read a body
    of any size before it looks at the client."""

    async def read(request: Request, dependencies: Injected, _client: WritingClient, _key: IdempotencyKey) -> Body:
        return parse(model, await json_body(request, dependencies.settings.body_limit_bytes))

    return read


_NEXT: Final = link(
    "read_operation", "Its outcome", payment_id="$response.body#/payment_id", operation_id="$response.body#/id"
)


def _responses(*refusals: Problem) -> Responses:
    return {
        200: {
            "description": "The operation has ended: `status` is SUCCESS or FAIL",
            "headers": {**LOCATION, **REPLAYED_HEADER},
            "links": _NEXT,
        },
        202: {
            "model": OperationResult,
            "description": "The operation is accepted and in progress: read it at Location",
            "headers": {**LOCATION, **RETRY_AFTER, **REPLAYED_HEADER},
            "links": _NEXT,
        },
        **problems(*COMMAND, *OWN_PAYMENT, Problem.REFUSED, *refusals),
    }


_PAID: Final = (PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED)

_HOLD: Final = (Problem.NOT_AUTHORIZED, Problem.OPERATION_IN_PROGRESS, Problem.OUTCOME_UNKNOWN)


@router.post(
    "/capture",
    summary="Capture an authorized payment",
    responses=_responses(*_HOLD, Problem.AMOUNT_EXCEEDS_AUTHORIZED, Problem.CART_REQUIRED, Problem.CART_TOTAL_MISMATCH),
    openapi_extra=request_body(CaptureIn),
)
async def capture_payment(action: Requested, body: Annotated[CaptureIn, Depends(_body(CaptureIn))]) -> OperationResult:
    """All of it, or less with the `cart` that is still sold; the rest is released."""
    cart = None if body.cart is None else body.cart.cart()
    return await action.perform(
        CapturePayment(action.payment_id, action.operation_id, body.amount, cart, fingerprint=action.fingerprint(body))
    )


@router.post(
    "/void",
    summary="Void an authorized payment",
    responses=_responses(*_HOLD),
    openapi_extra=request_body(VoidIn),
)
async def void_payment(action: Requested, body: Annotated[VoidIn, Depends(_body(VoidIn))]) -> OperationResult:
    """The whole amount is released."""
    return await action.perform(
        VoidPayment(action.payment_id, action.operation_id, body.reason, fingerprint=action.fingerprint(body))
    )


@router.post(
    "/refund",
    summary="Refund a captured payment",
    responses=_responses(Problem.NOT_CAPTURED, Problem.AMOUNT_EXCEEDS_REFUNDABLE, Problem.ITEMS_NOT_REFUNDABLE),
    openapi_extra=request_body(RefundIn),
)
async def refund_payment(action: Requested, body: Annotated[RefundIn, Depends(_body(RefundIn))]) -> OperationResult:
    """An `amount`, or `items`, or with neither everything that is left. The amount is reserved as soon as the refund is
    accepted: two refunds at once never return more than was captured."""
    items = tuple(RefundLine(line.product_id, line.quantity) for line in body.items)
    return await action.perform(
        RefundPayment(
            action.payment_id,
            action.operation_id,
            body.reason,
            body.amount,
            items,
            fingerprint=action.fingerprint(body),
        )
    )


@router.post(
    "/cancel",
    summary="Cancel an unpaid payment",
    responses=_responses(Problem.ALREADY_PAID, Problem.ALREADY_CLOSED),
    openapi_extra=request_body(CancelIn),
)
async def cancel_payment(action: Requested, body: Annotated[CancelIn, Depends(_body(CancelIn))]) -> OperationResult:
    """The provider closes its order: it can no longer be paid, and the payment becomes FAILED with the reason
    `rolled_back`. If the customer pays at the same moment, the money is returned."""
    # RollbackPayment, because the provider has to close its order: ExpirePayment only inquires about it, and leaves it
    # payable until it expires.
    return await action.perform(
        RollbackPayment(action.payment_id, action.operation_id, body.reason, fingerprint=action.fingerprint(body)),
        is_allowed=_refuse_paid,
    )


def _refuse_paid(payment: Payment) -> None:
    if payment.status in _PAID:
        raise ProblemError(Problem.ALREADY_PAID, f"the payment is {payment.status}")
