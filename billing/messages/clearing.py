"""What clearing reads in a provider's statement, told to the payment: `billing.payments.inbox`, keyed by payment id.

``line``: the provider's id of the line in its statement. The operation made for it is derived from provider and line,
so a repeat is recognised. ``at``: the provider's time of the movement (UTC). That a provider is asked about a payment is
a :class:`~billing.messages.payment_commands.FollowUpOperation` on demand.
"""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from billing.messages.base import PaymentMessage, ReplyTo


class RecordMovement(PaymentMessage, frozen=True, omit_defaults=True):
    """An operator's word that the provider captured or refunded ``amount`` (minor units) by hand, where it does not say so
    when it is asked. ``provider_ref``: the provider's id of the capture or refund, where the line names it."""

    TYPE: ClassVar[str] = "billing.payment.record_movement.v1"

    provider: str
    line: str
    type: Literal["CAPTURE", "REFUND"]
    amount: int
    operator: str
    reason: str
    provider_ref: str | None = None
    at: datetime | None = None
    reply_to: ReplyTo | None = None


class UndoRefund(PaymentMessage, frozen=True, omit_defaults=True):
    """The provider undid a refund after it had succeeded: the money is back with us. ``amount``: minor units that came
    back; only a whole refund is undone."""

    TYPE: ClassVar[str] = "billing.payment.undo_refund.v1"

    provider: str
    line: str
    operation_id: UUID
    amount: int
    at: datetime | None = None


class RecordChargeback(PaymentMessage, frozen=True, omit_defaults=True):
    """The bank took ``amount`` (minor units) back for the customer, or, where ``undone``, returned it. ``case``: the
    provider's id of the dispute. A dispute may have several lines; each is an operation."""

    TYPE: ClassVar[str] = "billing.payment.record_chargeback.v1"

    provider: str
    line: str
    case: str
    amount: int
    undone: bool = False
    at: datetime | None = None
