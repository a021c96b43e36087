"""Stripe's answers as outcomes and observations."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from billing.messages import Observation, ObservedOperation, ProviderReason
from billing.reasons import Reason, http_reason
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from providers.base import CallResult, own_id
from providers.http import OK, by_status
from providers.own_words import provider_reason
from providers.reading import read_json
from providers.stripe import requests
from providers.stripe.objects import (
    Attempt,
    Failure,
    PaymentIntent,
    Refund,
    Refusal,
    Session,
    id_of,
    moment,
)

HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
NOT_FOUND: Final = 404
CONFLICT: Final = 409
SHOULD_RETRY: Final = "Stripe-Should-Retry"

#: ``decline_code``, and where there is none ``code``, of a card error → our decline reason. Others are
#: ``declined``.
DECLINES: Final[dict[str, Reason]] = {
    "authentication_required": Reason.AUTHENTICATION_REQUIRED,
    "call_issuer": Reason.CALL_ISSUER,
    "card_not_supported": Reason.INVALID_CARD,
    "card_velocity_exceeded": Reason.LIMIT_EXCEEDED,
    "expired_card": Reason.CARD_EXPIRED,
    "fraudulent": Reason.FRAUD_SUSPECTED,
    "incorrect_cvc": Reason.INVALID_CARD,
    "incorrect_number": Reason.INVALID_CARD,
    "incorrect_pin": Reason.INVALID_CARD,
    "incorrect_zip": Reason.INVALID_CARD,
    "insufficient_funds": Reason.INSUFFICIENT_FUNDS,
    "invalid_account": Reason.INVALID_CARD,
    "invalid_cvc": Reason.INVALID_CARD,
    "invalid_expiry_month": Reason.INVALID_CARD,
    "invalid_expiry_year": Reason.INVALID_CARD,
    "invalid_number": Reason.INVALID_CARD,
    "issuer_not_available": Reason.ISSUER_UNAVAILABLE,
    "lost_card": Reason.FRAUD_SUSPECTED,
    "merchant_blacklist": Reason.FRAUD_SUSPECTED,
    "payment_intent_authentication_failure": Reason.AUTHENTICATION_FAILED,
    "pickup_card": Reason.FRAUD_SUSPECTED,
    "processing_error": Reason.ISSUER_UNAVAILABLE,
    "reenter_transaction": Reason.ISSUER_UNAVAILABLE,
    "revocation_of_all_authorizations": Reason.METHOD_REVOKED,
    "revocation_of_authorization": Reason.METHOD_REVOKED,
    "stolen_card": Reason.FRAUD_SUSPECTED,
    "stop_payment_order": Reason.METHOD_REVOKED,
    "try_again_later": Reason.ISSUER_UNAVAILABLE,
    "withdrawal_count_limit_exceeded": Reason.LIMIT_EXCEEDED,
}
#: ``code`` of another refusal → our decline reason. What is not here is ``invalid_request``.
REFUSALS: Final[dict[str, Reason]] = {
    "balance_insufficient": Reason.MERCHANT_BALANCE,
    "charge_already_captured": Reason.INVALID_STATE,
    "charge_already_refunded": Reason.ALREADY_REFUNDED,
    "charge_disputed": Reason.INVALID_STATE,
    "charge_expired_for_capture": Reason.INVALID_STATE,
    "payment_intent_unexpected_state": Reason.INVALID_STATE,
    "resource_missing": Reason.ORDER_NOT_FOUND,
}

#: Mastercard's advice on a decline → how long it wants no further attempt, seconds.
NETWORK_WAITS: Final[dict[str, int]] = {
    "24": HOUR_S,
    "25": DAY_S,
    "26": 2 * DAY_S,
    "27": 4 * DAY_S,
    "28": 6 * DAY_S,
    "29": 8 * DAY_S,
    "30": 10 * DAY_S,
}
#: Mastercard's advice that the cardholder cancelled the recurring payments.
NETWORK_REVOKED: Final = "21"

_REFUND_STATUSES: Final = {
    "pending": OperationStatus.PENDING,
    "requires_action": OperationStatus.PENDING,
    "succeeded": OperationStatus.SUCCESS,
    "failed": OperationStatus.FAIL,
    "canceled": OperationStatus.FAIL,
}


def refused(status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
    """The outcome of an answer that is no success; ``None`` for one that is.

    Only the API's own envelope is evidence. 409 and an ``idempotency_error`` mean that a call with this key was made
    before, so the outcome is unknown; ``Stripe-Should-Retry: true`` on another refusal means that nothing was done.
    """
    if status in OK:
        return None
    if status == CONFLICT:
        return CallResult(Outcome.UNKNOWN, reason=Reason.IN_PROGRESS)
    if (outcome := by_status(status, headers)) is not None:
        return outcome
    try:
        error = read_json(body, Refusal).error
    except msgspec.MsgspecError:
        return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    said = error.in_own_words
    if error.type == "idempotency_error":
        return CallResult(Outcome.UNKNOWN, reason=Reason.ALREADY_KNOWN, provider_reason=said)
    if headers.get(SHOULD_RETRY) == "true":
        return CallResult(Outcome.NOT_SENT, reason=Reason.PROVIDER_BUSY, provider_reason=said)
    if error.type == "api_error":
        return CallResult(Outcome.UNKNOWN, reason=http_reason(status), provider_reason=said)
    reason = Reason.ORDER_NOT_FOUND if status == NOT_FOUND else reason_of(error)
    wait_s = NETWORK_WAITS.get(error.network_advice_code or "")
    return CallResult(Outcome.DECLINED, reason=reason, provider_reason=said, retry_after_s=wait_s)


def reason_of(failure: Failure) -> str:
    """The reason of a failure."""
    if failure.type == "card_error":
        if failure.network_advice_code == NETWORK_REVOKED:
            return Reason.METHOD_REVOKED
        return DECLINES.get(failure.decline_code or failure.code or "", Reason.DECLINED)
    return REFUSALS.get(failure.code or "", Reason.INVALID_REQUEST)


def opened(session: Session) -> CallResult:
    """A checkout page was opened."""
    return CallResult(Outcome.PENDING, session.id, session.url)


def charged(intent: PaymentIntent) -> CallResult:
    """A saved method was charged; a decline comes as a refusal."""
    if intent.status == "succeeded":
        return CallResult(Outcome.SUCCEEDED, intent.id, observed=observation(None, intent, ()))
    return CallResult(Outcome.PENDING, intent.id)


def captured(intent: PaymentIntent) -> CallResult:
    """A hold was captured."""
    return CallResult(Outcome.SUCCEEDED if intent.status == "succeeded" else Outcome.PENDING)


def canceled(intent: PaymentIntent) -> CallResult:
    """A hold was released."""
    return CallResult(Outcome.SUCCEEDED if intent.status == "canceled" else Outcome.PENDING)


def refunded(refund: Refund) -> CallResult:
    """A refund was made: at once by card, later by other methods."""
    match _REFUND_STATUSES.get(refund.status or ""):
        case OperationStatus.SUCCESS:
            return CallResult(Outcome.SUCCEEDED, refund.id)
        case OperationStatus.FAIL:
            said = provider_reason(refund.failure_reason)
            return CallResult(Outcome.DECLINED, refund.id, reason=Reason.DECLINED, provider_reason=said)
        case _:
            return CallResult(Outcome.PENDING, refund.id)


def observation(session: Session | None, intent: PaymentIntent | None, refunds: Iterable[Refund] | None) -> Observation:
    """The state of a payment. A partly refunded payment is CAPTURED; its refunds are the operations. ``refunds``: all of
    them; ``None``: they were not read."""
    listed = tuple(refunds or ())
    name = None if session is None else session.id
    if intent is None or (session is not None and session.status != "complete"):
        if session is not None and session.status == "expired":
            return Observation(
                PaymentStatus.FAILED,
                reason=_last_failure(intent) or Reason.EXPIRED,
                order_ref=name,
                provider_reason=_own_words(intent),
            )
        return Observation(PaymentStatus.PENDING, order_ref=name)
    recurring = intent.named(requests.ACTION) == Action.RECUR
    status = _status(intent, listed, recurring=recurring)
    return Observation(
        status,
        operations=(*_captures(intent), *(observed_refund(refund) for refund in listed)),
        reason=(_last_failure(intent) or Reason.EXPIRED) if status is PaymentStatus.FAILED else None,
        method_ref=_method(intent),
        order_ref=intent.id if recurring else name,
        provider_reason=_own_words(intent) if status is PaymentStatus.FAILED else None,
        authorized=intent.amount_capturable if status is PaymentStatus.AUTHORIZED else None,
        captured=intent.amount_received,
        refunded=None if refunds is None else _given_back(listed),
        currency=None if intent.currency is None else intent.currency.upper(),
        at=_at(intent, listed),
        aliases=_aliases(intent, listed),
        method_last4=charge.last4 if isinstance(charge := intent.latest_charge, Attempt) else None,
    )


def _aliases(intent: PaymentIntent, refunds: Iterable[Refund]) -> tuple[str, ...]:
    """Stripe's ids of the payment, its charge and refunds: what is done in the dashboard refers to these, not to the
    page."""
    charge = intent.latest_charge
    charge_id = charge.id if isinstance(charge, Attempt) else charge
    return tuple(id for id in (intent.id, charge_id, *(refund.id for refund in refunds)) if id)


def observed_refund(refund: Refund) -> ObservedOperation:
    """A refund as our operation, where it is ours."""
    status = _REFUND_STATUSES.get(refund.status or "", OperationStatus.PENDING)
    return ObservedOperation(
        OperationType.REFUND,
        status,
        own_id(refund.named(requests.OPERATION)),
        refund.id,
        refund.amount,
        Reason.DECLINED if status is OperationStatus.FAIL else None,
        provider_reason(refund.failure_reason) if status is OperationStatus.FAIL else None,
    )


def _status(intent: PaymentIntent, refunds: Iterable[Refund], *, recurring: bool) -> PaymentStatus:
    match intent.status:
        case "succeeded":
            whole = 0 < intent.amount_received <= _given_back(refunds)
            return PaymentStatus.REFUNDED if whole else PaymentStatus.CAPTURED
        case "requires_capture":
            return PaymentStatus.AUTHORIZED
        case "canceled":
            # Without a charge nothing was ever held: the page expired.
            return PaymentStatus.FAILED if intent.latest_charge is None else PaymentStatus.VOIDED
        case "requires_payment_method" if recurring and intent.last_payment_error is not None:
            return PaymentStatus.FAILED  # the customer is absent and cannot try another card
        case _:
            return PaymentStatus.PENDING


def _given_back(refunds: Iterable[Refund]) -> int:
    return sum(refund.amount for refund in refunds if refund.status == "succeeded")


def _at(intent: PaymentIntent, refunds: Iterable[Refund]) -> datetime | None:
    """When the payment came to its state, where Stripe says it. When a hold was captured is not said."""
    if (refunded := [refund.created for refund in refunds if refund.created is not None]) != []:
        return moment(max(refunded))
    if intent.status == "canceled":
        return moment(intent.canceled_at)
    is_captured_hold = intent.status == "succeeded" and intent.capture_method == "manual"
    if is_captured_hold or not isinstance(intent.latest_charge, Attempt):
        return None
    return moment(intent.latest_charge.created)


def _captures(intent: PaymentIntent) -> Iterable[ObservedOperation]:
    id = own_id(intent.named(requests.CAPTURE))
    if id is not None and intent.status == "succeeded":
        yield ObservedOperation(OperationType.CAPTURE, OperationStatus.SUCCESS, id, amount=intent.amount_received)


def _method(intent: PaymentIntent) -> str | None:
    is_saved = intent.setup_future_usage == "off_session" and intent.status in ("succeeded", "requires_capture")
    customer, method = id_of(intent.customer), id_of(intent.payment_method)
    if not is_saved or customer is None or method is None:
        return None
    return requests.method_ref(customer, method)


def _last_failure(intent: PaymentIntent | None) -> str | None:
    failure = None if intent is None else intent.last_payment_error
    return None if failure is None else reason_of(failure)


def _own_words(intent: PaymentIntent | None) -> ProviderReason | None:
    failure = None if intent is None else intent.last_payment_error
    return None if failure is None else failure.in_own_words
