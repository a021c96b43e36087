"""What clients may do to a payment that exists: the commands that their requests become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from billing.messages import (
    CapturePayment,
    RefundLine,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from ingest_api.payments.operation_schemas import CancelIn, CaptureIn, RefundIn, VoidIn
from ingest_api.payments.schemas import Strict
from ingest_api.problems import Problem, ProblemError

Asked = CapturePayment | VoidPayment | RefundPayment | RollbackPayment


@dataclass(frozen=True, slots=True)
class PaymentAction:
    """``command`` makes the command of payment id, operation id, body and fingerprint. ``admits`` raises where the
    request means less than the command can do."""

    body: type[Strict]
    command: Callable[[UUID, UUID, Any, str], Asked]
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
