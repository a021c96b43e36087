"""T-Bank's answers as outcomes and observations.

Every answer is HTTP 200: ``Success`` and ``ErrorCode`` carry the result.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from billing.messages import Observation, ProviderReason, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from providers.base import CallResult
from providers.own_words import provider_reason

#: No error.
FINE: Final = "0"
#: ErrorCode → our decline reason, after the document's table of errors. Others are ``declined``.
DECLINES: Final[dict[str, Reason]] = {
    "4": Reason.INVALID_STATE,
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
#: Our terminal or password is wrong: nothing was done. An operator has to correct it; then the call can be repeated.
CREDENTIALS: Final = frozenset({"202", "204", "205"})
#: Errors of T-Bank's own: the operation may have happened.
TROUBLE: Final = frozenset({"9999", "1099"})
#: The payment's state does not allow the call, possibly because the same call came before.
WRONG_STATE: Final = frozenset({"4", "8"})

#: Part of what was captured was refunded; ``Amount`` is what is left.
PARTLY_REFUNDED: Final = "PARTIAL_REFUNDED"
#: T-Bank's status → ours. A transitional status counts as the one before it.
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
    # The status does not identify the refund; the answer of the call does.
    PARTLY_REFUNDED: PaymentStatus.PARTIALLY_REFUNDED,
    "REFUNDED": PaymentStatus.REFUNDED,
    "CANCELED": PaymentStatus.VOIDED,
    "REVERSED": PaymentStatus.VOIDED,
    "DEADLINE_EXPIRED": PaymentStatus.FAILED,
    "ATTEMPTS_EXPIRED": PaymentStatus.FAILED,
    "REJECTED": PaymentStatus.FAILED,
}
#: Status → reason of a failed payment.
FAILURES: Final[dict[str, Reason]] = {"DEADLINE_EXPIRED": Reason.EXPIRED}
#: More open refunds than this are not distinguished.
MANY: Final = 10
#: Statuses in which an operation has succeeded.
DONE: Final[dict[Action, frozenset[str]]] = {
    Action.CAPTURE: frozenset({"CONFIRMED"}),
    Action.VOID: frozenset({"REVERSED", "CANCELED"}),
    Action.ROLLBACK: frozenset({"REVERSED", "CANCELED", "REFUNDED"}),
    Action.RECUR: frozenset({"CONFIRMED"}),
}
#: Statuses in which it has failed.
FAILED: Final = frozenset({"REJECTED", "DEADLINE_EXPIRED", "ATTEMPTS_EXPIRED", "AUTH_FAIL"})


class Answer(msgspec.Struct, rename="pascal"):
    """The answer of every call."""

    success: bool
    error_code: str
    status: str | None = None
    payment_id: str | int | None = None
    payment_url: str | None = msgspec.field(default=None, name="PaymentURL")
    order_id: str | None = None
    amount: int | None = None
    original_amount: int | None = None
    new_amount: int | None = None
    message: str | None = None
    details: str | None = None

    @property
    def id(self) -> str | None:
        """T-Bank's id of the payment."""
        return None if self.payment_id is None else str(self.payment_id)


class Found(msgspec.Struct, rename="pascal"):
    """A payment of an order, as CheckOrder lists it."""

    payment_id: str | int
    status: str
    error_code: str | int | None = None
    message: str | None = None

    @property
    def id(self) -> str:
        """T-Bank's id of the payment."""
        return str(self.payment_id)


class Order(msgspec.Struct, rename="pascal"):
    """CheckOrder's answer."""

    success: bool
    error_code: str
    payments: list[Found] = []
    message: str | None = None
    details: str | None = None


def refused(answer: Answer | Order) -> CallResult:
    """A call that was not successful."""
    code, said = answer.error_code, in_own_words(answer.error_code, answer.message, answer.details)
    if code in CREDENTIALS:
        return CallResult(Outcome.NOT_SENT, reason=Reason.CREDENTIALS, provider_reason=said)
    if code in TROUBLE:
        return CallResult(Outcome.UNKNOWN, reason=Reason.PROVIDER_TROUBLE, provider_reason=said)
    return CallResult(Outcome.DECLINED, reason=DECLINES.get(code, Reason.DECLINED), provider_reason=said)


def in_own_words(error_code: str, message: str | None, details: str | None) -> ProviderReason | None:
    """T-Bank's code and words; ``None`` without an error."""
    return None if error_code == FINE else provider_reason(error_code, message, details)


def opened(answer: Answer) -> CallResult:
    """Init: without its id or its page a payment cannot be used."""
    if answer.id is None or answer.payment_url is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    return CallResult(Outcome.PENDING, answer.id, answer.payment_url)


def operated(action: Action, answer: Answer) -> CallResult:
    """Confirm, Cancel and Charge: the payment's status is the result."""
    ref = answer.id if action is Action.RECUR else None
    if answer.status in DONE[action]:
        # A charge shows what was taken.
        observed = observation(answer.status or "", answer.error_code, answer.amount) if ref is not None else None
        return CallResult(Outcome.SUCCEEDED, ref, observed=observed)
    if action is Action.RECUR and answer.status in FAILED:
        said = in_own_words(answer.error_code, answer.message, answer.details) or provider_reason(answer.status)
        reason = DECLINES.get(answer.error_code, Reason.DECLINED)
        return CallResult(Outcome.DECLINED, ref, reason=reason, provider_reason=said)
    return CallResult(Outcome.PENDING, ref)


def refunded(request: ProviderRequest, answer: Answer) -> CallResult:
    """Cancel of what was taken. ``PARTIAL_REFUNDED`` is the payment's status, whichever refund caused it: only the
    amount that T-Bank still holds identifies this one."""
    if answer.status == "REFUNDED":
        return CallResult(Outcome.SUCCEEDED)
    before, after = answer.original_amount, answer.new_amount
    if answer.status == PARTLY_REFUNDED and (before or 0) - (after or 0) == request.amount and after is not None:
        return CallResult(Outcome.SUCCEEDED)  # this call did it, whatever was refunded before
    if request.amount == request.refundable_before and answer.status != "PARTIAL_REFUNDED":
        return CallResult(Outcome.PENDING)  # REFUNDED will confirm it
    if answer.status == "PARTIAL_REFUNDED" and request.refundable_before is not None and answer.new_amount is not None:
        given_back = request.refundable_before - answer.new_amount
        others = _together(request.open_refund_amounts)
        if given_back - request.amount in others and given_back not in others:
            return CallResult(Outcome.SUCCEEDED)
    return CallResult(Outcome.UNKNOWN, reason=Reason.NOT_TOLD_APART)


def _together(amounts: Sequence[int]) -> set[int]:
    """Every sum of some of the amounts; of very many, only the sum of all."""
    if len(amounts) > MANY:
        return {sum(amounts)}
    totals = {0}
    for amount in amounts:
        totals |= {total + amount for total in totals}
    return totals


def inquired(answer: Answer, payment_id: str, request: ProviderRequest) -> CallResult:
    """GetState. ``payment_id`` is given to the order if it went by another name."""
    observed = observation(answer.status or "", answer.error_code, answer.amount, answer.message, answer.details)
    if observed.status is None:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNKNOWN_STATUS)
    if answer.status == PARTLY_REFUNDED and (captured := _captured(request)) and answer.amount is not None:
        observed = msgspec.structs.replace(observed, captured=captured, refunded=captured - answer.amount)
    elif observed.captured is not None:
        observed = msgspec.structs.replace(observed, refunded=0)
    if payment_id != request.order_ref:
        observed = msgspec.structs.replace(observed, order_ref=payment_id)
    return CallResult(Outcome.SUCCEEDED, observed=observed)


def observation(
    status: str, error_code: str, amount: int | None, message: str | None = None, details: str | None = None
) -> Observation:
    """The state of a payment; without a status where we do not know T-Bank's. ``amount``: the present amount of the
    payment, kopecks: what is held, and once it is captured what is left of it."""
    found = STATUSES.get(status)
    if found is not PaymentStatus.FAILED:
        held = amount if status in ("AUTHORIZED", "PARTIAL_REVERSED") else None
        return Observation(found, authorized=held, captured=amount if status == "CONFIRMED" else None)
    reason = FAILURES.get(status) or DECLINES.get(error_code, Reason.DECLINED)
    said = in_own_words(error_code, message, details) or provider_reason(status)
    return Observation(found, reason=reason, provider_reason=said)


def _captured(request: ProviderRequest) -> int | None:
    """What was captured, by our books; before they show it, what one stage takes. ``None``: not known."""
    if request.books is not None and request.books.captured:
        return request.books.captured
    return request.amount if request.capture_mode is CaptureMode.ONE_STAGE else None


def not_found() -> CallResult:
    """An inquiry about an unknown payment."""
    return CallResult(Outcome.SUCCEEDED, reason=Reason.ORDER_NOT_FOUND, observed=Observation())


def foremost(payments: Sequence[Found]) -> Found | None:
    """Of an order's payments the one that advanced most: a NEW one moves no money."""
    begun = [payment for payment in payments if payment.status != "NEW"]
    return next(iter(begun or payments), None)
