"""Signals to other services when a payment changes: a customer's access to products, and notifications.

A signal is sent at least once. Its ``message_id`` is the same each time, and an access signal carries a version, so
that a consumer can drop repeats and late arrivals.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec

from billing.messages.events import ItemView, PaymentChanged
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus

#: The routing keys. The exchange is a topic exchange: consumers bind ``auth.*`` or ``notify.*``.
ALLOW_ACCESS_KEY: Final = "auth.allow_access"
DENY_ACCESS_KEY: Final = "auth.deny_access"
PAYMENT_SUCCEEDED_KEY: Final = "notify.payment_succeeded"
PAYMENT_FAILED_KEY: Final = "notify.payment_failed"
PAYMENT_VOIDED_KEY: Final = "notify.payment_voided"
REFUNDED_KEY: Final = "notify.refunded"

#: From these states only a corrected refund returns to CAPTURED; the customer was notified of the payment before.
_GIVEN_BACK: Final = frozenset({PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})

#: An event of an earlier release has no entitlement: the customer is entitled to all that was ordered, once paid.
_PAID: Final = frozenset({PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED})

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class AccessAction(StrEnum):
    ALLOW_ACCESS = "ALLOW_ACCESS"
    DENY_ACCESS = "DENY_ACCESS"


class Access(msgspec.Struct, frozen=True):
    """Open or close a customer's access to products.

    ``version`` belongs to each (customer, product) of the signal: a consumer ignores a signal whose version is not
    above the last one it applied for that customer, product and payment. It is the time of the change in
    microseconds since 1970 (UTC): strictly growing within a payment, and across payments as well as the workers'
    clocks agree. A customer who bought a product twice keeps it while one of the payments stands, so grants are kept
    by payment (``docs/signals.md``).
    ``valid_until``: end of the access (UTC); ``None`` for access without an end.
    """

    action: AccessAction
    customer_id: str
    products: tuple[str, ...]
    payment_id: UUID
    version: int
    reason: str
    valid_until: datetime | None = None


class NotificationData(msgspec.Struct, frozen=True):
    """The values for a template. ``amount``: minor units of ``currency``; the amount moved, or, where none was, the
    amount requested. ``reason``: why the payment failed (docs/reasons.md)."""

    payment_id: UUID
    amount: int
    currency: str
    items: tuple[ItemView, ...]
    reason: str | None = None


class Notification(msgspec.Struct, frozen=True):
    """A notification to a customer: ``template`` names the text, ``data`` fills it."""

    template: str
    customer_id: str
    data: NotificationData


class Signal(msgspec.Struct, frozen=True):
    """One message to other services. ``occurred_at``: when the payment changed (UTC)."""

    routing_key: str
    message_id: str
    type: str
    payment_id: UUID
    occurred_at: datetime
    body: Access | Notification


def signals_for(event: PaymentChanged) -> tuple[Signal, ...]:
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


def signal_type(routing_key: str) -> str:
    """Name and version of a signal's body, the value of its ``type`` property."""
    return f"billing.signals.{routing_key}.v1"


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
    body = Access(
        action=action,
        customer_id=event.customer_id,
        products=products,
        payment_id=event.payment_id,
        version=(event.changed_at - _EPOCH) // _MICROSECOND,
        reason=f"payment {event.status.value.lower()}",
        valid_until=None if event.entitlement is None else event.entitlement.valid_until,
    )
    return _signal(event, routing_key, body)


def _notify(event: PaymentChanged, routing_key: str, amount: int) -> Signal:
    data = NotificationData(event.payment_id, amount, event.currency, event.items, event.reason)
    template = routing_key.removeprefix("notify.")
    return _signal(event, routing_key, Notification(template, event.customer_id, data))


def _signal(event: PaymentChanged, routing_key: str, body: Access | Notification) -> Signal:
    return Signal(
        routing_key=routing_key,
        message_id=f"{event.payment_id}:{event.version}:{routing_key}",
        type=signal_type(routing_key),
        payment_id=event.payment_id,
        occurred_at=event.changed_at,
        body=body,
    )


#: Routing key → the body of the signal.
SIGNAL_BODIES: Final[MappingProxyType[str, type[Any]]] = MappingProxyType(
    {
        ALLOW_ACCESS_KEY: Access,
        DENY_ACCESS_KEY: Access,
        PAYMENT_SUCCEEDED_KEY: Notification,
        PAYMENT_FAILED_KEY: Notification,
        PAYMENT_VOIDED_KEY: Notification,
        REFUNDED_KEY: Notification,
    }
)
