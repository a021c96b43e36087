"""What others see of a payment: the event on `billing.events` and the reply to a waiting request."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import Message
from billing.messages.event_parts import CallView, Entitlement, LineView, PostingView
from billing.vocabulary import CaptureMode, OperationStatus, OperationType, PaymentStatus


class OperationView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation as others see it. ``amount``: minor units of the payment's currency. ``provider``: who was asked
    for it; missing in events of earlier releases, where it is the payment's."""

    id: UUID
    type: OperationType
    status: OperationStatus
    amount: int
    created_at: datetime
    updated_at: datetime
    provider_ref: str | None = None
    reason: str | None = None
    provider: str | None = None


class ItemView(msgspec.Struct, frozen=True):
    """A cart line as others see it. ``unit_price``: minor units."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: str


class PaymentChanged(Message, frozen=True, omit_defaults=True):
    """A payment after one decision. ``version`` grows by one with every change and orders them;
    ``operations`` holds those the decision created or changed. Amounts in minor units of ``currency``.

    ``entitlement``, ``lines`` and what follows them are missing where nothing changed (the answer to a read) and in
    events of earlier releases. ``postings``: those the decision made; ``call``: the provider call that caused it."""

    TYPE: ClassVar[str] = "billing.payment.changed.v1"

    version: int
    status: PaymentStatus
    customer_id: str
    order_id: UUID
    client_id: str
    provider: str
    capture_mode: CaptureMode
    currency: str
    amount: int
    authorized: int
    captured: int
    refunded: int
    created_at: datetime
    changed_at: datetime
    items: tuple[ItemView, ...]
    operations: tuple[OperationView, ...]
    previous_status: PaymentStatus | None = None
    payment_url: str | None = None
    reason: str | None = None
    entitlement: Entitlement | None = None
    lines: tuple[LineView, ...] = ()
    postings: tuple[PostingView, ...] = ()
    call: CallView | None = None


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a command was not carried out: ``code`` is stable and documented, ``detail`` is for people."""

    code: str
    detail: str


class Reply(Message, frozen=True, omit_defaults=True):
    """The answer to a waiting request: the payment as it now stands, or why not."""

    TYPE: ClassVar[str] = "billing.reply.v1"

    correlation_id: str
    payment: PaymentChanged | None = None
    refusal: Refusal | None = None
