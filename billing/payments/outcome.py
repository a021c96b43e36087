"""The outcome of a payment, as its subscription gets it."""

from datetime import datetime

from billing.messages import CreatePayment, PaymentOutcome
from billing.payments.model import Operation, Payment
from billing.reasons import Reason
from billing.vocabulary import OperationStatus, Outcome, PaymentStatus


def outcome_of(payment: Payment) -> PaymentOutcome | None:
    """The outcome as it stands; ``None`` for a payment without a subscription."""
    subscription = payment.order.subscription
    if subscription is None:
        return None
    charge = payment.charge
    reason = None if payment.reason is None else Reason.of(payment.reason)
    return PaymentOutcome(
        subscription_id=subscription.id,
        payment_id=payment.id,
        payment_version=payment.version,
        period=subscription.period,
        attempt=subscription.attempt,
        purpose=subscription.purpose,
        state=payment.status.value,
        operation_state=_state(charge),
        reason=payment.reason,
        kind=None if reason is None else reason.kind.value,
        help=None if reason is None else reason.recovery.value,
        retry_after_s=charge.retry_after_s,
        amount=payment.order.amount,
        captured=payment.captured,
        refunded=payment.refunded,
        currency=payment.order.currency,
        provider=payment.provider,
        payment_url=payment.payment_url,
        method_ref=payment.method_ref or payment.saved_method,
        method_title=payment.method_title,
        method_expires=payment.method_expires,
        at=payment.updated_at,
        charged_back=payment.charged_back,
    )


def outcome_of_refused(message: CreatePayment, now: datetime) -> PaymentOutcome | None:
    """The outcome of a payment that was refused, and so does not exist: our mistake, and final."""
    order = message.order
    subscription = order.subscription
    if subscription is None:
        return None
    reason = Reason.INVALID_REQUEST
    return PaymentOutcome(
        subscription_id=subscription.id,
        payment_id=message.payment_id,
        payment_version=0,
        period=subscription.period,
        attempt=subscription.attempt,
        purpose=subscription.purpose,
        state=PaymentStatus.FAILED.value,
        operation_state=None,
        reason=reason.value,
        kind=reason.kind.value,
        help=reason.recovery.value,
        retry_after_s=None,
        amount=order.amount,
        captured=0,
        refunded=0,
        currency=order.currency,
        provider=message.provider,
        payment_url=None,
        method_ref=message.saved_method,
        method_title=None,
        method_expires=None,
        at=now,
    )


def _state(charge: Operation) -> str:
    match charge.status:
        case OperationStatus.SUCCESS:
            return "SUCCEEDED"
        case OperationStatus.FAIL:
            return "FAILED"
        case OperationStatus.UNKNOWN:
            return "UNKNOWN"
        case OperationStatus.PENDING:
            return "NOT_SENT" if charge.outcome is Outcome.NOT_SENT else "PENDING"
