"""Commands to a payment: `billing.payments.inbox`, keyed by payment id.

A person's command names its ``operator`` and the ``reason``, and may carry two conditions: ``if_version``, the version of
the payment that the person saw (the command is refused as ``version_changed`` at another one), and ``approval``, of the
second person where one is needed.
"""

from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from billing.messages.base import PaymentMessage, ReplyTo
from billing.orders import Cart, Contact, Order
from billing.vocabulary import CaptureMode


class CreatePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Open a payment. ``fingerprint``: SHA-256 of the canonical request body; it distinguishes a repeat from another request
    under the same key.

    ``payment_ttl_s``: seconds an unpaid payment stays open; ``hold_s``: seconds after which a hold is followed up.
    ``save_method``: let the customer's method be charged again; ``saved_method``: charge this one, saved before, the
    customer absent (the provider's reference, from an earlier payment). ``alternatives``: providers to ask, in this
    order, where ``provider`` does not take it; ``route``: the rule that chose them, where one did. ``not_after``: past
    this moment (UTC) the charge is not sent any more, and the payment fails.
    """

    TYPE: ClassVar[str] = "billing.payment.create.v1"

    client_id: str
    fingerprint: str
    order: Order
    provider: str
    capture_mode: CaptureMode = CaptureMode.ONE_STAGE
    payment_ttl_s: int = 1800
    hold_s: int = 5 * 86_400
    save_method: bool = False
    saved_method: str | None = None
    reply_to: ReplyTo | None = None
    alternatives: tuple[str, ...] = ()
    route: str | None = None
    not_after: datetime | None = None


class Approval(msgspec.Struct, frozen=True):
    """A second person's consent to exactly this command. ``id``: of the request for it; ``approved_at``: UTC."""

    id: UUID
    approved_by: str
    approved_at: datetime

    def is_of_another(self, who_asks: str | None) -> bool:
        """Whether another person gave it than the one who asks; ``None``: nobody at work asks, so nobody else can."""
        return who_asks not in (None, self.approved_by)


#: Why a command with an approval that is not is refused.
NOT_OF_ANOTHER: Final = "the approval is not of another person than the one who asks"


class CapturePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Capture the held amount. ``amount``: minor units, ``None`` for all of it; a smaller one releases the rest and
    needs ``cart``, the items that are sold. ``operation_id`` is derived from the client's idempotency key;
    ``fingerprint``, here and below, is the SHA-256 of the canonical request."""

    TYPE: ClassVar[str] = "billing.payment.capture.v1"

    operation_id: UUID
    amount: int | None = None
    cart: Cart | None = None
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None
    operator: str | None = None
    reason: str | None = None
    if_version: int | None = None
    approval: Approval | None = None


class VoidPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Release the held amount."""

    TYPE: ClassVar[str] = "billing.payment.void.v1"

    operation_id: UUID
    reason: str
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None
    operator: str | None = None
    if_version: int | None = None
    approval: Approval | None = None


class RefundLine(msgspec.Struct, frozen=True):
    """A number of units of a product in the cart."""

    product_id: str
    quantity: int


class RefundPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Refund what was captured: by ``items``, or an ``amount`` in minor units, or all that is left."""

    TYPE: ClassVar[str] = "billing.payment.refund.v1"

    operation_id: UUID
    reason: str
    amount: int | None = None
    items: tuple[RefundLine, ...] = ()
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None
    operator: str | None = None
    if_version: int | None = None
    approval: Approval | None = None


class RollbackPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Close the payment in any state: an unpaid one can no longer be paid, a hold is released, a capture is refunded."""

    TYPE: ClassVar[str] = "billing.payment.rollback.v1"

    operation_id: UUID
    reason: str
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None
    operator: str | None = None
    if_version: int | None = None
    approval: Approval | None = None


class ExpirePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """The time to pay, or to capture a hold, is over: query the provider, and close by its answer. Sent instead of a
    follow-up of the operation that opened the order."""

    TYPE: ClassVar[str] = "billing.payment.expire.v1"


class CorrectPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """An operator's correction of how an operation ended. ``operator`` and ``reason`` stay on record; ledger entries that
    contradict it are reversed."""

    TYPE: ClassVar[str] = "billing.payment.correct.v1"

    correction_id: UUID
    operation_id: UUID
    succeeded: bool
    operator: str
    reason: str
    reply_to: ReplyTo | None = None
    if_version: int | None = None
    approval: Approval | None = None


class AmendPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """An operator's change of what is not money. Amounts, status, currency and provider stay as they are.

    ``contact``: where receipts go from now on. ``metadata``: keys to set, or to drop where the value is ``None``.
    ``refunds_blocked``: whether new refunds are refused. ``note``: for people, in the journal only. ``redrive``: publish
    the payment once more, with the access that follows from it. ``operator`` and ``reason`` stay on record.
    """

    TYPE: ClassVar[str] = "billing.payment.amend.v1"

    amendment_id: UUID
    operator: str
    reason: str
    contact: Contact | None = None
    metadata: dict[str, str | None] = msgspec.field(default_factory=dict)
    refunds_blocked: bool | None = None
    note: str | None = None
    redrive: bool = False
    reply_to: ReplyTo | None = None
    if_version: int | None = None
    approval: Approval | None = None


class FollowUpOperation(PaymentMessage, frozen=True, omit_defaults=True):
    """Inquire again about an operation. Sent when the inquiry is due; ``follow_up`` (``chase`` in JSON) counts the
    earlier ones, so that a repeat asks once. ``on_demand``: a person asks, whatever the schedule and the status;
    ``operator`` and ``reason`` are theirs."""

    TYPE: ClassVar[str] = "billing.payment.chase.v1"

    operation_id: UUID
    follow_up: int = msgspec.field(name="chase")
    on_demand: bool = False
    operator: str | None = None
    reason: str | None = None


class ReportOutcome(PaymentMessage, frozen=True, omit_defaults=True):
    """Send the outcome of a subscription's payment again. Each request has its own message id, and so has each answer."""

    TYPE: ClassVar[str] = "billing.payment.report_outcome.v1"


class WithdrawCharge(PaymentMessage, frozen=True, omit_defaults=True):
    """Stop charging: from now on the provider is only inquired about the payment. What was not sent fails; what is
    unknown stays unknown until there is evidence; money that was or will be captured all the same is refunded whole.
    ``reason``: for people, also the reason of that refund."""

    TYPE: ClassVar[str] = "billing.payment.withdraw_charge.v1"

    reason: str
