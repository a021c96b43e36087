"""T-Bank's answers in our words: outcomes and observations.

An answer is HTTP 200 whatever it says: ``Success`` and ``ErrorCode`` tell.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from billing.messages import Observation, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, Outcome, PaymentStatus
from providers.base import CallResult

#: No error.
FINE: Final = "0"
#: ErrorCode → our decline reason, after the document's table of errors. What is not here is ``declined``.
DECLINES: Final[dict[str, Reason]] = {
    "8": Reason.INVALID_STATE,
    "9": Reason.INVALID_REQUEST,
    "10": Reason.UNSUPPORTED,
    "101": Reason.AUTHENTICATION_FAILED,
    "116": Reason.INSUFFICIENT_FUNDS,
    "119": Reason.LIMIT_EXCEEDED,
    "201": Reason.INVALID_REQUEST,
    "251": Reason.INVALID_REQUEST,
    "252": Reason.CARD_EXPIRED,
    "255": Reason.ORDER_NOT_FOUND,
    "308": Reason.INVALID_REQUEST,
    "309": Reason.INVALID_REQUEST,
    "1001": Reason.CALL_ISSUER,
    "1014": Reason.INVALID_CARD,
    "1030": Reason.ISSUER_UNAVAILABLE,
    "1033": Reason.CARD_EXPIRED,
    "1034": Reason.FRAUD_SUSPECTED,
    "1041": Reason.FRAUD_SUSPECTED,
    "1043": Reason.FRAUD_SUSPECTED,
    "1051": Reason.INSUFFICIENT_FUNDS,
    "1054": Reason.CARD_EXPIRED,
    "1059": Reason.FRAUD_SUSPECTED,
    "1061": Reason.LIMIT_EXCEEDED,
    "1065": Reason.LIMIT_EXCEEDED,
    "1082": Reason.INVALID_CARD,
    "1089": Reason.ISSUER_UNAVAILABLE,
    "1091": Reason.ISSUER_UNAVAILABLE,
    "1096": Reason.ISSUER_UNAVAILABLE,
}
#: Our terminal or password is wrong: nothing was done. An operator mends it, and then the call may be made.
CREDENTIALS: Final = frozenset({"202", "204", "205"})
#: T-Bank's own trouble: it may have happened.
TROUBLE: Final = frozenset({"9999", "1099"})
#: The payment is not in a state for this, be it because the same call came before.
WRONG_STATE: Final = "8"

#: The statuses in our words. Those on the way to the next one are still what they come from.
STATUSES: Final[dict[str, PaymentStatus]] = {
    "NEW": PaymentStatus.PENDING,
    "FORM_SHOWED": PaymentStatus.PENDING,
    "AUTHORIZING": PaymentStatus.PENDING,
    "3DS_CHECKING": PaymentStatus.PENDING,
    "3DS_CHECKED": PaymentStatus.PENDING,
    "PAY_CHECKING": PaymentStatus.PENDING,
    "PREAUTHORIZING": PaymentStatus.PENDING,
    "AUTH_FAIL": PaymentStatus.PENDING,
    "AUTHORIZED": PaymentStatus.AUTHORIZED,
    "CONFIRMING": PaymentStatus.AUTHORIZED,
    "CONFIRM_CHECKING": PaymentStatus.AUTHORIZED,
    "REVERSING": PaymentStatus.AUTHORIZED,
    "PARTIAL_REVERSED": PaymentStatus.AUTHORIZED,
    "CONFIRMED": PaymentStatus.CAPTURED,
    "REFUNDING": PaymentStatus.CAPTURED,
    "ASYNC_REFUNDING": PaymentStatus.CAPTURED,
    # Which refund it was is not said: the call's own answer does.
    "PARTIAL_REFUNDED": PaymentStatus.CAPTURED,
    "REFUNDED": PaymentStatus.REFUNDED,
    "CANCELED": PaymentStatus.VOIDED,
    "REVERSED": PaymentStatus.VOIDED,
    "DEADLINE_EXPIRED": PaymentStatus.FAILED,
    "ATTEMPTS_EXPIRED": PaymentStatus.FAILED,
    "REJECTED": PaymentStatus.FAILED,
}
#: Why a payment failed, where its status says it.
FAILURES: Final[dict[str, Reason]] = {"DEADLINE_EXPIRED": Reason.EXPIRED}
#: More refunds than this under way at once are not told apart.
MANY: Final = 10
#: What ends an operation well.
DONE: Final[dict[Action, frozenset[str]]] = {
    Action.CAPTURE: frozenset({"CONFIRMED"}),
    Action.VOID: frozenset({"REVERSED", "CANCELED"}),
    Action.ROLLBACK: frozenset({"REVERSED", "CANCELED", "REFUNDED"}),
    Action.RECUR: frozenset({"CONFIRMED"}),
}
#: What ends it badly.
FAILED: Final = frozenset({"REJECTED", "DEADLINE_EXPIRED", "ATTEMPTS_EXPIRED", "AUTH_FAIL"})


class Answer(msgspec.Struct, rename="pascal"):
    """What every call is answered with."""

    success: bool
    error_code: str
    status: str | None = None
    payment_id: str | int | None = None
    payment_url: str | None = msgspec.field(default=None, name="PaymentURL")
    new_amount: int | None = None

    @property
    def id(self) -> str | None:
        """T-Bank's name of the payment."""
        return None if self.payment_id is None else str(self.payment_id)


class Found(msgspec.Struct, rename="pascal"):
    """A payment of an order, as CheckOrder lists it."""

    payment_id: str | int
    status: str

    @property
    def id(self) -> str:
        """T-Bank's name of the payment."""
        return str(self.payment_id)


class Order(msgspec.Struct, rename="pascal"):
    """CheckOrder's answer."""

    success: bool
    error_code: str
    payments: list[Found] = []


def refused(error_code: str) -> CallResult:
    """A call that was not successful."""
    if error_code in CREDENTIALS:
        return CallResult(Outcome.NOT_SENT, reason=Reason.CREDENTIALS)
    if error_code in TROUBLE:
        return CallResult(Outcome.UNKNOWN, reason=Reason.PROVIDER_TROUBLE)
    reason = DECLINES.get(error_code, Reason.DECLINED)
    return CallResult(Outcome.DECLINED, reason=reason)


def opened(answer: Answer) -> CallResult:
    """Init: without both its name and its page a payment is of no use."""
    if answer.id is None or answer.payment_url is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    return CallResult(Outcome.PENDING, answer.id, answer.payment_url)


def operated(action: Action, answer: Answer) -> CallResult:
    """Confirm, Cancel and Charge: the payment's status tells."""
    ref = answer.id if action is Action.RECUR else None
    if answer.status in DONE[action]:
        return CallResult(Outcome.SUCCEEDED, ref)
    if action is Action.RECUR and answer.status in FAILED:
        return CallResult(Outcome.DECLINED, ref, reason=Reason.DECLINED)
    return CallResult(Outcome.PENDING, ref)


def refunded(request: ProviderRequest, answer: Answer) -> CallResult:
    """Cancel of what was taken. ``PARTIAL_REFUNDED`` is the payment's status, be it by this refund or by another:
    what T-Bank still keeps must tell."""
    if answer.status == "REFUNDED":
        return CallResult(Outcome.SUCCEEDED)
    if request.amount == request.refundable_before and answer.status != "PARTIAL_REFUNDED":
        return CallResult(Outcome.PENDING)  # REFUNDED will say that all is given back
    if answer.status == "PARTIAL_REFUNDED" and request.refundable_before is not None and answer.new_amount is not None:
        given_back = request.refundable_before - answer.new_amount
        others = _together(request.open_refund_amounts)
        if given_back - request.amount in others and given_back not in others:
            return CallResult(Outcome.SUCCEEDED)
    return CallResult(Outcome.UNKNOWN, reason=Reason.NOT_TOLD_APART)


def _together(amounts: Sequence[int]) -> set[int]:
    """What any of the amounts may come to together; of very many, only all of them."""
    if len(amounts) > MANY:
        return {sum(amounts)}
    totals = {0}
    for amount in amounts:
        totals |= {total + amount for total in totals}
    return totals


def inquired(answer: Answer, payment_id: str, order_ref: str) -> CallResult:
    """GetState. ``payment_id`` is given to the order if it went by another name."""
    observed = observation(answer.status or "", answer.error_code)
    if observed.status is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNKNOWN_STATUS)
    if payment_id != order_ref:
        observed = msgspec.structs.replace(observed, order_ref=payment_id)
    return CallResult(Outcome.SUCCEEDED, observed=observed)


def observation(status: str, error_code: str) -> Observation:
    """How a payment stands; without a status for one that we do not know."""
    told = STATUSES.get(status)
    reason = FAILURES.get(status) or DECLINES.get(error_code, Reason.DECLINED)
    return Observation(told, reason=reason if told is PaymentStatus.FAILED else None)


def not_found() -> CallResult:
    """An inquiry about what T-Bank does not have."""
    return CallResult(Outcome.SUCCEEDED, reason=Reason.ORDER_NOT_FOUND, observed=Observation())


def foremost(payments: Sequence[Found]) -> Found | None:
    """Of an order's payments the one that came furthest: one that nobody has begun to pay moves no money."""
    begun = [payment for payment in payments if payment.status != "NEW"]
    return next(iter(begun or payments), None)
