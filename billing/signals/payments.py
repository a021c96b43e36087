"""The signals of a payment's change."""

from typing import Final

from billing.messages.events import PaymentChanged
from billing.signals.bodies import (
    ALLOW_ACCESS_KEY,
    DENY_ACCESS_KEY,
    PAYMENT_FAILED_KEY,
    PAYMENT_SUCCEEDED_KEY,
    PAYMENT_VOIDED_KEY,
    REFUNDED_KEY,
    Access,
    AccessAction,
    Notification,
    NotificationData,
    Signal,
    access_version,
    signal_type,
    template_of,
)
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus

#: From these states only a corrected refund returns to CAPTURED; the customer was notified of the payment before.
_GIVEN_BACK: Final = frozenset({PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})

#: An event of an earlier release has no entitlement: the customer is entitled to all that was ordered, once paid.
_PAID: Final = frozenset({PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED})


def signals_for_payment(event: PaymentChanged) -> tuple[Signal, ...]:
    """The signals that one change of a payment causes. The same event gives the same signals with the same ids. A payment
    of a subscription causes none: the subscription grants the access and writes to the customer."""
    if event.subscription is not None:
        return ()
    before, after = _entitled(event)
    opened = tuple(product for product in after if product not in before)
    closed = tuple(product for product in before if product not in after)
    signals = []
    if opened:
        signals.append(_access(event, ALLOW_ACCESS_KEY, AccessAction.ALLOW_ACCESS, opened))
    if closed:
        signals.append(_access(event, DENY_ACCESS_KEY, AccessAction.DENY_ACCESS, closed))
    if (notification := _notification(event)) is not None:
        signals.append(_notify(event, *notification))
    return tuple(signals)


def _entitled(event: PaymentChanged) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The products that are accessible before and after the change. Access that was never granted is not denied: the
    release of a hold denies nothing."""
    if event.entitlement is not None:
        return event.entitlement.before, event.entitlement.products
    ordered = tuple(dict.fromkeys(item.product_id for item in event.items))
    return (ordered if event.previous_status in _PAID else ()), (ordered if event.status in _PAID else ())


def _notification(event: PaymentChanged) -> tuple[str, int] | None:
    """The routing key of the notification and the amount in it (minor units); ``None``: no notification."""
    moved = event.previous_status != event.status
    match event.status:
        case PaymentStatus.CAPTURED if moved and event.previous_status not in _GIVEN_BACK:
            return PAYMENT_SUCCEEDED_KEY, event.captured
        case PaymentStatus.FAILED if moved:
            return PAYMENT_FAILED_KEY, event.amount
        case PaymentStatus.VOIDED if moved:
            return PAYMENT_VOIDED_KEY, event.amount
        case PaymentStatus.REFUNDED if moved:
            return REFUNDED_KEY, event.refunded
        case PaymentStatus.PARTIALLY_REFUNDED if _has_refunded(event):
            # A second partial refund leaves the status as it was; only its operation shows it.
            return REFUNDED_KEY, event.refunded
        case _:
            return None


def _has_refunded(event: PaymentChanged) -> bool:
    return any(o.type is OperationType.REFUND and o.status is OperationStatus.SUCCESS for o in event.operations)


def _access(event: PaymentChanged, routing_key: str, action: AccessAction, products: tuple[str, ...]) -> Signal:
    is_charged_back = action is AccessAction.DENY_ACCESS and event.charged_back > 0
    body = Access(
        action=action,
        customer_id=event.customer_id,
        products=products,
        payment_id=event.payment_id,
        version=access_version(event.changed_at),
        reason="payment charged back" if is_charged_back else f"payment {event.status.value.lower()}",
        valid_until=None if event.entitlement is None else event.entitlement.valid_until,
    )
    return _signal(event, routing_key, body)


def _notify(event: PaymentChanged, routing_key: str, amount: int) -> Signal:
    data = NotificationData(event.payment_id, amount, event.currency, event.items, event.reason)
    return _signal(event, routing_key, Notification(template_of(routing_key), event.customer_id, data))


def _signal(event: PaymentChanged, routing_key: str, body: Access | Notification) -> Signal:
    return Signal(
        routing_key=routing_key,
        message_id=f"{event.payment_id}:{event.version}:{routing_key}",
        type=signal_type(routing_key),
        payment_id=event.payment_id,
        occurred_at=event.changed_at,
        body=body,
    )
