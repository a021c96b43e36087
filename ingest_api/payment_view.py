"""A payment as clients see it."""

from datetime import datetime
from uuid import UUID

import msgspec

from billing.messages import ItemView, OperationView, PaymentChanged
from billing.vocabulary import CaptureMode, PaymentStatus


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a payment. Amounts: minor units of ``currency``; times: RFC 3339, UTC."""

    id: UUID
    status: PaymentStatus
    version: int
    amount: int
    currency: str
    authorized: int
    captured: int
    refunded: int
    provider: str
    capture_mode: CaptureMode
    customer_id: str
    order_id: UUID
    payment_url: str | None
    items: tuple[ItemView, ...]
    operations: tuple["OperationOut", ...]
    reason: str | None
    created_at: datetime
    updated_at: datetime


class OperationOut(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of an operation."""

    id: UUID
    type: str
    status: str
    amount: int
    provider_ref: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class AcceptedView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is accepted and not known further: its command is stored, its outcome is to come."""

    id: UUID
    status: PaymentStatus = PaymentStatus.PENDING
    payment_url: None = None


def payment_view(payment: PaymentChanged) -> PaymentView:
    return PaymentView(
        id=payment.payment_id,
        status=payment.status,
        version=payment.version,
        amount=payment.amount,
        currency=payment.currency,
        authorized=payment.authorized,
        captured=payment.captured,
        refunded=payment.refunded,
        provider=payment.provider,
        capture_mode=payment.capture_mode,
        customer_id=payment.customer_id,
        order_id=payment.order_id,
        payment_url=payment.payment_url,
        items=payment.items,
        operations=tuple(_operation(operation) for operation in payment.operations),
        reason=payment.reason,
        created_at=payment.created_at,
        updated_at=payment.changed_at,
    )


def _operation(operation: OperationView) -> OperationOut:
    return OperationOut(
        id=operation.id,
        type=operation.type,
        status=operation.status,
        amount=operation.amount,
        provider_ref=operation.provider_ref,
        reason=operation.reason,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
    )
