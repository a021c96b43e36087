"""A payment in one sentence, and what is under way. Pure."""

from datetime import datetime
from typing import NamedTuple

from admin.formatting import duration, moment, sum_of
from admin.language import N_, gettext
from billing.payments.model import Operation, Payment
from billing.reasons import Reason
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus


class State(NamedTuple):
    """A status in words and how it looks: ``good``, ``warn``, ``bad`` or ``plain``."""

    words: str
    look: str


STATES = {
    PaymentStatus.PENDING: State(N_("waits for the customer"), "warn"),
    PaymentStatus.AUTHORIZED: State(N_("held"), "warn"),
    PaymentStatus.CAPTURED: State(N_("paid"), "good"),
    PaymentStatus.VOIDED: State(N_("released"), "plain"),
    PaymentStatus.PARTIALLY_REFUNDED: State(N_("refunded in part"), "good"),
    PaymentStatus.REFUNDED: State(N_("refunded"), "plain"),
    PaymentStatus.FAILED: State(N_("failed"), "bad"),
    PaymentStatus.EXPIRED: State(N_("expired"), "plain"),
}
ENDS = {
    OperationStatus.PENDING: State(N_("under way"), "warn"),
    OperationStatus.UNKNOWN: State(N_("outcome unknown"), "bad"),
    OperationStatus.SUCCESS: State(N_("done"), "good"),
    OperationStatus.FAIL: State(N_("failed"), "plain"),
}


def sentence(payment: Payment) -> str:
    """What the payment is, for somebody who has never seen it."""
    currency, provider = payment.order.currency, payment.provider
    amount = sum_of(payment.order.amount, currency)
    match payment.status:
        case PaymentStatus.PENDING:
            return gettext(
                "The customer has until %(time)s to pay %(amount)s at %(provider)s.",
                time=moment(payment.expires_at), amount=amount, provider=provider,
            )  # fmt: skip
        case PaymentStatus.AUTHORIZED:
            return _held(payment)
        case PaymentStatus.CAPTURED:
            said = gettext(
                "%(provider)s captured %(captured)s of %(amount)s.",
                provider=provider, captured=sum_of(payment.captured, currency), amount=amount,
            )  # fmt: skip
            return said + _given_back(payment)
        case PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
            said = gettext(
                "%(refunded)s of the captured %(captured)s is refunded.",
                refunded=sum_of(payment.refunded, currency), captured=sum_of(payment.captured, currency),
            )  # fmt: skip
            return said + _given_back(payment)
        case PaymentStatus.VOIDED:
            return gettext(
                "The hold of %(amount)s at %(provider)s was released; nothing was taken.",
                amount=sum_of(payment.authorized, currency), provider=provider,
            )  # fmt: skip
        case PaymentStatus.FAILED | PaymentStatus.EXPIRED:
            if payment.reason is None:
                return gettext("Nothing was taken: the payment was closed before it was paid.")
            return gettext("Nothing was taken: %(why)s", why=gettext(Reason.of(payment.reason).meaning))


def _held(payment: Payment) -> str:
    held = {"amount": sum_of(payment.authorized, payment.order.currency), "provider": payment.provider}
    ends = payment.charge.next_follow_up_at
    if payment.capture_mode is CaptureMode.ONE_STAGE:
        return gettext("%(amount)s is authorized at %(provider)s; the provider captures it by itself.", **held)
    if ends is None:
        return gettext("%(amount)s is held at %(provider)s.", **held)
    return gettext(
        "%(amount)s is held at %(provider)s, to be captured or voided before %(time)s.", time=moment(ends), **held
    )


def under_way(operation: Operation, currency: str) -> str:
    """What an open operation is waiting for."""
    values = {
        "operation": gettext(operation.type.value.lower()),
        "amount": sum_of(operation.amount, currency),
        "provider": operation.provider,
    }
    if operation.status is OperationStatus.UNKNOWN:
        said = gettext("%(operation)s of %(amount)s at %(provider)s: its outcome is not known", **values)
    else:
        said = gettext("%(operation)s of %(amount)s at %(provider)s: the provider has not finished it", **values)
    due = operation.next_follow_up_at
    return said if due is None else said + "; " + gettext("asked about again at %(time)s", time=moment(due))


def latest_first(payment: Payment) -> list[Operation]:
    """The operations by when they began, the latest first; of those at one moment, the one recorded last."""
    begun = sorted(enumerate(payment.operations), key=lambda placed: (placed[1].created_at, placed[0]), reverse=True)
    return [operation for _, operation in begun]


def age(since: datetime, now: datetime) -> str:
    """``3 d 4 h``, in the two largest units."""
    return duration(max(0, int((now - since).total_seconds()) // 60) * 60)


def _given_back(payment: Payment) -> str:
    currency = payment.order.currency
    said = []
    if payment.refund_pending:
        said.append(gettext("%(amount)s is on its way back.", amount=sum_of(payment.refund_pending, currency)))
    if payment.charged_back:
        said.append(gettext("%(amount)s was charged back by the bank.", amount=sum_of(payment.charged_back, currency)))
    if payment.refunds_blocked:
        said.append(gettext("Refunds are blocked."))
    return "".join(f" {one}" for one in said)


def is_open(operation: Operation) -> bool:
    """Whether the operation is still under way; a finished authorization may be asked about too."""
    return operation.is_open or (operation.type is OperationType.AUTHORIZE and operation.next_follow_up_at is not None)
