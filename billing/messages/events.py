"""What others see of a payment: its snapshot, the event of a change on `billing.events`, and the reply to a caller."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import Message, PaymentMessage
from billing.messages.event_parts import CallView, Entitlement, LineView, PostingView
from billing.messages.provider import ProviderReason
from billing.orders import SubscriptionRef
from billing.vocabulary import CaptureMode, LearntBy, OperationStatus, OperationType, PaymentStatus


class OperationView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation as others see it. ``amount``: minor units of the payment's currency. ``provider``: the provider
    that carries it out; missing in events of earlier releases, where it is the payment's. ``provider_reason``: why it
    failed, in the provider's own words. ``learnt_by``: how its end was learnt; ``occurred_at``: the provider's time of it
    (UTC), where it says so."""

    id: UUID
    type: OperationType
    status: OperationStatus
    amount: int
    created_at: datetime
    updated_at: datetime
    provider_ref: str | None = None
    reason: str | None = None
    provider: str | None = None
    provider_reason: ProviderReason | None = None
    learnt_by: LearntBy | None = None
    occurred_at: datetime | None = None


class ItemView(msgspec.Struct, frozen=True):
    """A cart line as others see it. ``unit_price``: minor units."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: str


class PaymentSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a payment is at one moment. ``version`` grows by one with every change and orders the snapshots of a payment.
    Amounts in minor units of ``currency``. ``operations``: all of them, or those of one change. ``contradiction``: in what
    the provider contradicts the books, for an operator to settle. ``charged_back``: by chargebacks, without those that came
    back. ``subscription``: the one that it is a payment of.
    ``metadata``: the order's; snapshots of earlier releases lack it."""

    payment_id: UUID
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
    payment_url: str | None = None
    reason: str | None = None
    contradiction: str | None = None
    subscription: SubscriptionRef | None = None
    metadata: dict[str, str] = {}
    charged_back: int = 0


class PaymentChanged(PaymentSnapshot, Message, frozen=True, omit_defaults=True):
    """A payment after one decision, and what the decision changed. ``operations`` holds those it created or changed.

    ``previous_status`` is missing where the decision created the payment. ``entitlement``: the products that the payment
    entitles its customer to; ``lines``: what each product brought in; ``postings``: the ledger entries that the decision
    made; ``call``: the provider call that caused it. Events of earlier releases lack these four."""

    TYPE: ClassVar[str] = "billing.payment.changed.v1"

    previous_status: PaymentStatus | None = None
    entitlement: Entitlement | None = None
    lines: tuple[LineView, ...] = ()
    postings: tuple[PostingView, ...] = ()
    call: CallView | None = None

    @property
    def subject_id(self) -> UUID:
        """The payment's id."""
        return self.payment_id


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a command was not carried out: ``code`` is stable and documented, ``detail`` is for people."""

    code: str
    detail: str


class Reply(PaymentMessage, frozen=True, omit_defaults=True):
    """The reply to a waiting caller: the payment after the command, or why the command was refused.

    ``replayed``: the command was processed before, so nothing followed from it now.
    """

    TYPE: ClassVar[str] = "billing.reply.v1"

    correlation_id: str
    payment: PaymentSnapshot | None = None
    refusal: Refusal | None = None
    replayed: bool = False
