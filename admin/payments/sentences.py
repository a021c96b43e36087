"""A payment in one sentence, and what is under way. Pure."""

from datetime import datetime
from typing import NamedTuple

from analytics.words import moment
from billing.money import Money
from billing.payments.model import Operation, Payment
from billing.reasons import Reason
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus


class State(NamedTuple):
    """A status in words and how it looks: ``good``, ``warn``, ``bad`` or ``plain``."""

    words: str
    look: str


STATES = {
    PaymentStatus.PENDING: State("waits for the customer", "warn"),
    PaymentStatus.AUTHORIZED: State("held", "warn"),
    PaymentStatus.CAPTURED: State("paid", "good"),
    PaymentStatus.VOIDED: State("released", "plain"),
    PaymentStatus.PARTIALLY_REFUNDED: State("refunded in part", "good"),
    PaymentStatus.REFUNDED: State("refunded", "plain"),
    PaymentStatus.FAILED: State("failed", "bad"),
    PaymentStatus.EXPIRED: State("expired", "plain"),
}
ENDS = {
    OperationStatus.PENDING: State("under way", "warn"),
    OperationStatus.UNKNOWN: State("outcome unknown", "bad"),
    OperationStatus.SUCCESS: State("done", "good"),
    OperationStatus.FAIL: State("failed", "plain"),
}


def sentence(payment: Payment) -> str:
    """What the payment is, for somebody who has never seen it."""
    amount, provider = Money(payment.order.amount, payment.order.currency), payment.provider
    currency = payment.order.currency
    match payment.status:
        case PaymentStatus.PENDING:
            return f"The customer has until {moment(payment.expires_at)} to pay {amount} at {provider}."
        case PaymentStatus.AUTHORIZED:
            held = Money(payment.authorized, currency)
            ends = payment.charge.next_follow_up_at
            if payment.capture_mode is CaptureMode.ONE_STAGE:
                return f"{held} is authorized at {provider}; the provider captures it by itself."
            until = "" if ends is None else f", to be captured or voided before {moment(ends)}"
            return f"{held} is held at {provider}{until}."
        case PaymentStatus.CAPTURED:
            return f"{provider} captured {Money(payment.captured, currency)} of {amount}." + _given_back(payment)
        case PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
            given, captured = Money(payment.refunded, currency), Money(payment.captured, currency)
            return f"{given} of the captured {captured} is refunded." + _given_back(payment)
        case PaymentStatus.VOIDED:
            return f"The hold of {Money(payment.authorized, currency)} at {provider} was released; nothing was taken."
        case PaymentStatus.FAILED | PaymentStatus.EXPIRED:
            return f"Nothing was taken: {_why(payment)}"


def under_way(operation: Operation, currency: str) -> str:
    """What an open operation is waiting for."""
    what = f"{operation.type.value.lower()} of {Money(operation.amount, currency)} at {operation.provider}"
    state = (
        "its outcome is not known"
        if operation.status is OperationStatus.UNKNOWN
        else "the provider has not finished it"
    )
    due = operation.next_follow_up_at
    asked = "" if due is None else f"; asked about again at {moment(due)}"
    return f"{what}: {state}{asked}"


def latest_first(payment: Payment) -> list[Operation]:
    """The operations by when they began, the latest first; of those at one moment, the one recorded last."""
    begun = sorted(enumerate(payment.operations), key=lambda placed: (placed[1].created_at, placed[0]), reverse=True)
    return [operation for _, operation in begun]


def age(since: datetime, now: datetime) -> str:
    """``3 d 4 h``, in the two largest units."""
    minutes = max(0, int((now - since).total_seconds()) // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _given_back(payment: Payment) -> str:
    currency = payment.order.currency
    parts = []
    if payment.refund_pending:
        parts.append(f"{Money(payment.refund_pending, currency)} is on its way back")
    if payment.charged_back:
        parts.append(f"{Money(payment.charged_back, currency)} was charged back by the bank")
    if payment.refunds_blocked:
        parts.append("refunds are blocked")
    words = " and ".join(parts)
    return f" {words[0].upper()}{words[1:]}." if parts else ""


def _why(payment: Payment) -> str:
    if payment.reason is None:
        return "the payment was closed before it was paid."
    return Reason.of(payment.reason).meaning


def is_open(operation: Operation) -> bool:
    """Whether the operation is still under way; a finished authorization may be asked about too."""
    return operation.is_open or (operation.type is OperationType.AUTHORIZE and operation.next_follow_up_at is not None)
