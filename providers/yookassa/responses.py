"""YooKassa's answers as outcomes and observations."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from billing.messages import Observation, ObservedOperation, ProviderReason
from billing.money import from_decimal_string
from billing.reasons import Reason
from billing.vocabulary import OperationStatus, OperationType, Outcome, PaymentStatus
from providers.base import CallResult, own_id
from providers.http import OK, RETRY_AFTER_MAX_S, by_status
from providers.own_words import provider_reason
from providers.reading import last_digits, read_json
from providers.yookassa.requests import OPERATION

NOT_FOUND: Final = 404
#: YooKassa is still processing; the same request with the same key gets the result.
PROCESSING: Final = 202

#: cancellation_details.reason → our decline reason. Others are ``declined``.
DECLINES: Final[dict[str, Reason]] = {
    "3d_secure_failed": Reason.AUTHENTICATION_FAILED,
    "call_issuer": Reason.CALL_ISSUER,
    "card_expired": Reason.CARD_EXPIRED,
    "expired_on_confirmation": Reason.EXPIRED,
    "fraud_suspected": Reason.FRAUD_SUSPECTED,
    "insufficient_funds": Reason.INSUFFICIENT_FUNDS,
    "internal_timeout": Reason.ISSUER_UNAVAILABLE,
    "invalid_card_number": Reason.INVALID_CARD,
    "invalid_csc": Reason.INVALID_CARD,
    "issuer_unavailable": Reason.ISSUER_UNAVAILABLE,
    "payment_method_limit_exceeded": Reason.LIMIT_EXCEEDED,
    "permission_revoked": Reason.METHOD_REVOKED,
    "rejected_by_timeout": Reason.ISSUER_UNAVAILABLE,
}
#: The same of a refund that was canceled: its money is ours.
REFUND_DECLINES: Final[dict[str, Reason]] = DECLINES | {"insufficient_funds": Reason.MERCHANT_BALANCE}
#: error.code of a refusal → our decline reason.
ERRORS: Final[dict[str, Reason]] = {"invalid_request": Reason.INVALID_REQUEST, "not_found": Reason.ORDER_NOT_FOUND}
#: A hold that ended without a capture, by us or by time: nothing was declined.
RELEASED: Final = frozenset({"canceled_by_merchant", "expired_on_capture"})
#: The parameter that an error names when a key is repeated with another request.
KEY: Final = "idempotence-key"


#: A time with its zone.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Amount(msgspec.Struct):
    """A MonetaryAmount."""

    value: str
    currency: str

    @property
    def minor(self) -> int:
        """Minor units. Raises :class:`InvalidMoney`."""
        return from_decimal_string(self.value, self.currency)


class _Confirmation(msgspec.Struct):
    confirmation_url: str | None = None


class _Card(msgspec.Struct):
    last4: str | None = None
    expiry_year: str | None = None
    expiry_month: str | None = None
    card_type: str | None = None


class _Method(msgspec.Struct):
    id: str
    saved: bool = False
    title: str | None = None
    card: _Card | None = None

    @property
    def shown(self) -> str | None:
        """The brand and the last digits of a card; of another method the provider's own title."""
        card = self.card
        if card is None or card.last4 is None:
            return self.title
        return f"{card.card_type or 'Card'} *{card.last4}"

    @property
    def last4(self) -> str | None:
        """The last four digits of a card."""
        return None if self.card is None else last_digits(self.card.last4)

    @property
    def expires(self) -> str | None:
        """The card's last month."""
        card = self.card
        if card is None or card.expiry_year is None or card.expiry_month is None:
            return None
        return f"{card.expiry_year}-{card.expiry_month.zfill(2)}"


class _Cancellation(msgspec.Struct):
    reason: str
    party: str | None = None

    @property
    def in_own_words(self) -> ProviderReason | None:
        """The reason, and who canceled."""
        return provider_reason(self.reason, self.party)


class Payment(msgspec.Struct):
    """A payment as YooKassa shows it."""

    id: str
    status: Literal["pending", "waiting_for_capture", "succeeded", "canceled"]
    amount: Amount
    refunded_amount: Amount | None = None
    income_amount: Amount | None = None
    captured_at: datetime | None = None
    expires_at: datetime | None = None
    confirmation: _Confirmation | None = None
    payment_method: _Method | None = None
    cancellation_details: _Cancellation | None = None
    metadata: dict[str, str | None] | None = None


class Refund(msgspec.Struct):
    """A refund as YooKassa shows it."""

    id: str
    status: Literal["pending", "succeeded", "canceled"]
    amount: Amount
    payment_id: str
    created_at: Moment
    cancellation_details: _Cancellation | None = None
    metadata: dict[str, str | None] | None = None


class Page(msgspec.Struct):
    """A page of a list, the newest first. ``next_cursor``: where the next one begins."""

    CURSOR: ClassVar = "cursor"

    items: list[msgspec.Raw]
    next_cursor: str | None = None


class _Error(msgspec.Struct):
    type: Literal["error"]
    code: str
    parameter: str | None = None
    retry_after: int | None = None
    description: str | None = None


_REFUND_STATUSES: Final = {
    "pending": OperationStatus.PENDING,
    "succeeded": OperationStatus.SUCCESS,
    "canceled": OperationStatus.FAIL,
}


def refused(status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
    """The outcome of an answer that is no success; ``None`` for one that is.

    Only the API's own envelope is evidence; an answer that a gateway made leaves the outcome unknown.
    """
    if (outcome := by_status(status, headers)) is not None:
        return outcome
    if status == PROCESSING:
        return CallResult(Outcome.UNKNOWN, reason=Reason.PROCESSING)
    if status in OK:
        return None
    try:
        error = read_json(body, _Error)
    except msgspec.MsgspecError:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    said = provider_reason(error.code, error.description, error.parameter and f"parameter: {error.parameter}")
    if error.retry_after is not None:
        # Its own member is in milliseconds.
        wait_s = min(math.ceil(error.retry_after / 1000), RETRY_AFTER_MAX_S)
        return CallResult(Outcome.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after_s=wait_s, provider_reason=said)
    if (error.parameter or "").lower() == KEY:
        return CallResult(Outcome.UNKNOWN, reason=Reason.ALREADY_KNOWN, provider_reason=said)
    reason = Reason.ORDER_NOT_FOUND if status == NOT_FOUND else ERRORS.get(error.code, Reason.DECLINED)
    return CallResult(Outcome.DECLINED, reason=reason, provider_reason=said)


def opened(payment: Payment) -> CallResult:
    """A payment was requested, with the customer or without."""
    url = None if payment.confirmation is None else payment.confirmation.confirmation_url
    match payment.status:
        case "canceled":
            result = _declined(payment.cancellation_details, payment.id)
        case "succeeded":
            result = CallResult(Outcome.SUCCEEDED, payment.id, observed=observation(payment, ()))
        case _:
            result = CallResult(Outcome.PENDING, payment.id, url, observed=observation(payment, ()))
    return result


def captured(payment: Payment) -> CallResult:
    """A hold was captured."""
    match payment.status:
        case "succeeded":
            return CallResult(Outcome.SUCCEEDED)
        case "canceled":
            return CallResult(Outcome.DECLINED, reason=Reason.INVALID_STATE, observed=observation(payment, ()))
        case _:
            return CallResult(Outcome.PENDING)


def canceled(payment: Payment) -> CallResult:
    """A hold was released."""
    return CallResult(Outcome.SUCCEEDED if payment.status == "canceled" else Outcome.PENDING)


def refunded(refund: Refund) -> CallResult:
    """A refund was requested."""
    match refund.status:
        case "succeeded":
            return CallResult(Outcome.SUCCEEDED, refund.id)
        case "canceled":
            return _declined(refund.cancellation_details, refund.id, REFUND_DECLINES)
        case _:
            return CallResult(Outcome.PENDING, refund.id)


def observation(payment: Payment, refunds: Iterable[Refund]) -> Observation:
    """The state of a payment at YooKassa."""
    reason = None if payment.cancellation_details is None else payment.cancellation_details.reason
    status = _status(payment, reason)
    method = payment.payment_method
    saved = method if method is not None and method.saved else None
    return Observation(
        status=status,
        operations=tuple(observed_refund(refund) for refund in refunds),
        reason=DECLINES.get(reason or "", Reason.DECLINED) if status is PaymentStatus.FAILED else None,
        method_ref=None if saved is None else saved.id,
        method_title=None if saved is None else saved.shown,
        method_expires=None if saved is None else saved.expires,
        method_last4=None if method is None else method.last4,
        order_ref=payment.id,
        provider_reason=payment.cancellation_details.in_own_words
        if payment.cancellation_details is not None and status is PaymentStatus.FAILED
        else None,
        authorized=payment.amount.minor if status is PaymentStatus.AUTHORIZED else None,
        captured=payment.amount.minor if payment.status == "succeeded" else 0,
        refunded=_refunded(payment),
        currency=payment.amount.currency,
        hold_until=payment.expires_at if status is PaymentStatus.AUTHORIZED else None,
        at=payment.captured_at,
    )


def opened_by(thing: Payment | Refund, operation_id: str) -> bool:
    """Whether our operation requested it."""
    return (thing.metadata or {}).get(OPERATION) == operation_id


def _status(payment: Payment, reason: str | None) -> PaymentStatus:
    match payment.status:
        case "pending":
            return PaymentStatus.PENDING
        case "waiting_for_capture":
            return PaymentStatus.AUTHORIZED
        case "canceled":
            return PaymentStatus.VOIDED if reason in RELEASED else PaymentStatus.FAILED
    returned = _refunded(payment)
    # A partial refund is reported by the refund; this reports the capture.
    return PaymentStatus.REFUNDED if 0 < returned == payment.amount.minor else PaymentStatus.CAPTURED


def _refunded(payment: Payment) -> int:
    """Minor units, successful refunds only."""
    return 0 if payment.refunded_amount is None else payment.refunded_amount.minor


def observed_refund(refund: Refund) -> ObservedOperation:
    """The state of a refund at YooKassa."""
    details = refund.cancellation_details
    return ObservedOperation(
        type=OperationType.REFUND,
        status=_REFUND_STATUSES[refund.status],
        operation_id=own_id((refund.metadata or {}).get(OPERATION)),
        provider_ref=refund.id,
        amount=refund.amount.minor,
        reason=None if details is None else REFUND_DECLINES.get(details.reason, Reason.DECLINED),
        provider_reason=None if details is None else details.in_own_words,
    )


def _declined(details: _Cancellation | None, ref: str, reasons: Mapping[str, Reason] = DECLINES) -> CallResult:
    if details is None:
        return CallResult(Outcome.DECLINED, ref, reason=Reason.DECLINED)
    reason = reasons.get(details.reason, Reason.DECLINED)
    return CallResult(Outcome.DECLINED, ref, reason=reason, provider_reason=details.in_own_words)
