"""Commands to a payment: `billing.payments.inbox`, keyed by payment id."""

from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import PaymentMessage, ReplyTo
from billing.orders import Cart, Order
from billing.vocabulary import CaptureMode


class CreatePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Open a payment. ``fingerprint``: SHA-256 of the canonical request body, to tell a repeat from a misuse.

    ``payment_ttl_s``: seconds an unpaid payment stays open; ``hold_s``: seconds after which a hold is looked after.
    ``save_method``: let the customer's method be charged again; ``saved_method``: charge this one, saved before, the
    customer absent (the provider's reference, from an earlier payment). ``alternatives``: providers to ask, in this
    order, where ``provider`` does not take it; ``route``: the rule that chose them, where one did.
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


class CapturePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Take what is held. ``amount``: minor units, ``None`` for all of it; a smaller one gives the rest back and
    needs ``cart``, what is sold after all. ``operation_id`` is derived from the client's idempotency key;
    ``fingerprint``, here and below, is the SHA-256 of the canonical request, to tell a repeat from a misuse."""

    TYPE: ClassVar[str] = "billing.payment.capture.v1"

    operation_id: UUID
    amount: int | None = None
    cart: Cart | None = None
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class VoidPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Give back what is held."""

    TYPE: ClassVar[str] = "billing.payment.void.v1"

    operation_id: UUID
    reason: str
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class RefundLine(msgspec.Struct, frozen=True):
    """So many units of a product in the cart."""

    product_id: str
    quantity: int


class RefundPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Give back what was taken: by ``items``, or an ``amount`` in minor units, or all that is left."""

    TYPE: ClassVar[str] = "billing.payment.refund.v1"

    operation_id: UUID
    reason: str
    amount: int | None = None
    items: tuple[RefundLine, ...] = ()
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class RollbackPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """Close the payment whatever its state: unpaid it can no longer be paid, held it is released, taken it is
    given back."""

    TYPE: ClassVar[str] = "billing.payment.rollback.v1"

    operation_id: UUID
    reason: str
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class ExpirePayment(PaymentMessage, frozen=True, omit_defaults=True):
    """The time to pay, or to capture what is held, is over: ask the provider, and close on its word."""

    TYPE: ClassVar[str] = "billing.payment.expire.v1"


class CorrectPayment(PaymentMessage, frozen=True, omit_defaults=True):
    """An operator's word on how an operation ended, against what the books say. ``operator`` and ``reason`` stay on
    record; what was posted otherwise is reversed."""

    TYPE: ClassVar[str] = "billing.payment.correct.v1"

    correction_id: UUID
    operation_id: UUID
    succeeded: bool
    operator: str
    reason: str
    reply_to: ReplyTo | None = None


class FollowUpOperation(PaymentMessage, frozen=True, omit_defaults=True):
    """Inquire again about an operation that is not final. Sent when the inquiry is due; ``follow_up`` (``chase`` in
    JSON) counts the earlier ones, so that a repeat asks once."""

    TYPE: ClassVar[str] = "billing.payment.chase.v1"

    operation_id: UUID
    follow_up: int = msgspec.field(name="chase")
