"""``POST /v1/payments/{payment_id}/capture``, ``/void``, ``/refund``, ``/cancel``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from billing.access.scopes import Scope
from billing.messages import (
    CapturePayment,
    PaymentChanged,
    RefundLine,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.payments.decide import decide
from billing.payments.decision import heard, view
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from ingest_api.dependencies import Dependencies
from ingest_api.edge import idempotency
from ingest_api.edge.bodies import json_body
from ingest_api.edge.prefer import Preference, preference
from ingest_api.payments.read import own_payment
from ingest_api.payments.schemas import CancelIn, CaptureIn, RefundIn, Strict, VoidIn, parse
from ingest_api.payments.submit import submit
from ingest_api.payments.views import OperationResult, operation_result
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError, refused

ActionCommand = CapturePayment | VoidPayment | RefundPayment | RollbackPayment


@dataclass(frozen=True, slots=True)
class PaymentAction:
    """``command`` makes the command of payment id, operation id, body and fingerprint. ``admits`` raises where the
    request means less than the command can do."""

    body: type[Strict]
    command: Callable[[UUID, UUID, Any, str], ActionCommand]
    admits: Callable[[Payment], None] = lambda _payment: None


def _capture(payment_id: UUID, operation_id: UUID, body: CaptureIn, fingerprint: str) -> CapturePayment:
    cart = None if body.cart is None else body.cart.cart()
    return CapturePayment(payment_id, operation_id, body.amount, cart, fingerprint=fingerprint)


def _void(payment_id: UUID, operation_id: UUID, body: VoidIn, fingerprint: str) -> VoidPayment:
    return VoidPayment(payment_id, operation_id, body.reason, fingerprint=fingerprint)


def _refund(payment_id: UUID, operation_id: UUID, body: RefundIn, fingerprint: str) -> RefundPayment:
    items = tuple(RefundLine(line.product_id, line.quantity) for line in body.items)
    return RefundPayment(payment_id, operation_id, body.reason, body.amount, items, fingerprint=fingerprint)


def _cancel(payment_id: UUID, operation_id: UUID, body: CancelIn, fingerprint: str) -> RollbackPayment:
    """``RollbackPayment``, because the provider has to close its order: ``ExpirePayment`` only asks about it, and
    leaves it payable until its time is over. Should the customer have paid meanwhile, the provider gives the money
    back: what was cancelled is not sold."""
    return RollbackPayment(payment_id, operation_id, body.reason, fingerprint=fingerprint)


def _unpaid(payment: Payment) -> None:
    if payment.status is not PaymentStatus.PENDING:
        raise ProblemError(Problem.NOT_UNPAID, f"the payment is {payment.status}")


#: By the last part of the path.
ACTIONS: Final[Mapping[str, PaymentAction]] = MappingProxyType(
    {
        "capture": PaymentAction(CaptureIn, _capture),
        "void": PaymentAction(VoidIn, _void),
        "refund": PaymentAction(RefundIn, _refund),
        "cancel": PaymentAction(CancelIn, _cancel, _unpaid),
    }
)


PATH: Final = "/v1/payments/{payment_id}/"


class ActOnPaymentHandler:
    """One of :data:`~ingest_api.payments.act.ACTIONS`.

    What the books refuse already is refused at once, and what they know already is answered from them: a repeat
    reaches its operation, another body with its key is told apart by the fingerprint. The payments agent decides
    again, on the payment as it is then.
    """

    def __init__(self, dependencies: Dependencies, name: str) -> None:
        self._dependencies = dependencies
        self._name = name
        self._action = ACTIONS[name]

    async def __call__(self, request: Request) -> Response:
        dependencies, settings, action = self._dependencies, self._dependencies.settings, self._action
        started = monotonic()
        client = dependencies.admission.admit(request, Scope.PAYMENTS_WRITE)
        key = idempotency.idempotency_key(request)
        body = parse(action.body, await json_body(request, settings.body_limit_bytes))
        wanted = preference(request.headers.getlist("prefer"), settings.wait_default_s, settings.wait_max_s)
        payment = await own_payment(dependencies.reads, request, client)
        operation_id = idempotency.operation_id(client, payment.id, key)
        command = action.command(payment.id, operation_id, body, idempotency.fingerprint(body, self._name))
        if payment.operation(operation_id) is None:
            action.admits(payment)
        foreseen = self._foreseen(payment, command)
        if payment.operation(operation_id) is not None:
            return _answer(operation_result(foreseen, operation_id, known=True), Preference(0))
        reply, applied = await submit(
            dependencies,
            request,
            command,
            id=f"{payment.id}/{operation_id}",
            source=f"/v1/payments/{payment.id}/{self._name}",
            client=client,
            wanted=wanted,
            deadline=started + wanted.wait_s,
        )
        if reply is not None and reply.refusal is not None:
            raise refused(reply.refusal)
        if reply is None or reply.payment is None:
            return _answer(operation_result(foreseen, operation_id, known=False), applied)
        return _answer(operation_result(reply.payment, operation_id, known=True), applied)

    def _foreseen(self, payment: Payment, command: ActionCommand) -> PaymentChanged:
        """The payment as it would be after ``command``; raises what the domain refuses."""
        decision = decide(payment, heard(command), self._dependencies.clock())
        if decision.reply is not None and decision.reply.refusal is not None:
            raise refused(decision.reply.refusal)
        assert decision.payment is not None
        return view(decision.payment, decision.payment.operations)


def _answer(result: OperationResult, wanted: Preference) -> Response:
    headers = {"Location": operation_url(result.payment_id, result.id)}
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    status = 200 if result.is_final else 202
    if not result.is_final:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(msgspec.json.encode(result), status_code=status, headers=headers, media_type="application/json")


def operation_url(payment_id: UUID, operation_id: UUID) -> str:
    """Where an operation is read."""
    return f"/v1/payments/{payment_id}/operations/{operation_id}"
