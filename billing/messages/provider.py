"""Calls to providers and what providers report: `billing.provider.requests` and `billing.payments.inbox`, keyed by
payment id."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import PaymentMessage, ReplyTo
from billing.orders import Cart, Contact, Order
from billing.vocabulary import Action, CaptureMode, Lane, OperationStatus, OperationType, Outcome, PaymentStatus


class ProviderReason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something did not succeed, in the provider's own code and words; personal data are masked."""

    code: str | None = None
    message: str | None = None


class ObservedOperation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's view of one operation. ``operation_id`` is ours where the provider echoes it.
    ``amount``: minor units, where the provider states it."""

    type: OperationType
    status: OperationStatus
    operation_id: UUID | None = None
    provider_ref: str | None = None
    amount: int | None = None
    reason: str | None = None
    provider_reason: ProviderReason | None = None


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's view of an order at one moment: from a callback, an inquiry or the answer to a call.

    ``authorized``, ``captured``, ``refunded``: in all until then, minor units of ``currency``; ``None``: not stated.
    ``operations``: in an answer about the order, all that the provider lists. What follows from an observation:
    :mod:`billing.payments.evidence`.
    """

    status: PaymentStatus | None = None
    operations: tuple[ObservedOperation, ...] = ()
    #: Why the provider failed the payment, a :class:`~billing.reasons.Reason`; only with status FAILED.
    reason: str | None = None
    #: By what name the provider charges the order's method again, if the order was opened to save it.
    method_ref: str | None = None
    #: That method for people: its brand and last digits.
    method_title: str | None = None
    #: The last month of that method, as in ``2028-04``.
    method_expires: str | None = None
    #: The provider's own name of the order, where it is the provider that names it.
    order_ref: str | None = None
    #: The provider's own words for ``reason``.
    provider_reason: ProviderReason | None = None
    authorized: int | None = None
    captured: int | None = None
    refunded: int | None = None
    currency: str | None = None
    #: When the provider releases the hold without a capture (UTC), where it says so.
    hold_until: datetime | None = None
    #: The provider's own time of this state (UTC), for people: nothing is decided by it.
    at: datetime | None = None
    #: The provider's other ids of the order, its charges and refunds.
    aliases: tuple[str, ...] = ()
    #: The last four digits of the card that paid, where the provider tells. Nothing more of a card is taken.
    method_last4: str | None = None


class Books(msgspec.Struct, frozen=True):
    """A payment's status and amounts, minor units, when the provider was asked. An answer to older books is no more than
    a callback: it may be older than what is recorded since."""

    status: PaymentStatus
    authorized: int
    captured: int
    refunded: int


class ProviderResult(PaymentMessage, frozen=True, omit_defaults=True):
    """How a provider call ended. ``provider_ref``: the provider's id of the order (CREATE, RECUR) or operation.
    ``reason``: a :class:`~billing.reasons.Reason`; ``duration_ms``: time spent in the provider; ``retry_after_s``: how long
    the provider wants no requests, seconds. ``books``: those of the request."""

    TYPE: ClassVar[str] = "billing.provider.result.v1"

    operation_id: UUID
    provider: str
    action: Action
    outcome: Outcome
    provider_ref: str | None = None
    payment_url: str | None = None
    reason: str | None = None
    observed: Observation | None = None
    duration_ms: float = 0.0
    reply_to: ReplyTo | None = None
    retry_after_s: int | None = None
    provider_reason: ProviderReason | None = None
    books: Books | None = None


class ProviderCallback(PaymentMessage, frozen=True, omit_defaults=True):
    """A verified provider callback for a payment we know. ``dedupe``: the provider's own identity of the event.
    ``ask``: it is not sufficient evidence; query the provider instead, unless the books have all of ``claimed`` already:
    what it says without proof, where that can be read. Earlier releases do not know ``claimed`` and always query."""

    TYPE: ClassVar[str] = "billing.provider.callback.v1"

    provider: str
    dedupe: str
    observed: Observation
    ask: bool = False
    claimed: Observation | None = None


class ProviderRequest(PaymentMessage, frozen=True, omit_defaults=True):
    """One request to one provider, self-contained: the provider agent reads nothing else.

    ``operation_id`` is the idempotency key sent to the provider. ``order_ref``: the provider's name of the order;
    the id of the operation that opened it until a provider that names orders itself has named it, and forever where the
    merchant names them. ``opened_at``: when the payment was recorded (UTC). ``amount``: minor units.
    ``cart``: for CREATE and RECUR what is bought; for CAPTURE and REFUND the cart that remains *after* it;
    ``contact``: where the receipt goes. For REFUND, and ROLLBACK where it refunds: ``refunded_cart`` (``returned`` in
    JSON) holds the items given back, unless it undoes the whole payment. For REFUND: ``refundable_before`` (``kept``) is what the provider holds by our books, minor units,
    as if no refund were open; ``open_refund_amounts`` (``under_way``) are the amounts of the other open refunds.
    ``books``: the payment's, at its present provider; the result carries them back. ``not_after``: from this moment on
    (UTC) CREATE and RECUR are not sent any more. ``lane``: which calls it waits behind.
    """

    TYPE: ClassVar[str] = "billing.provider.request.v1"

    operation_id: UUID
    provider: str
    action: Action
    order_ref: str
    currency: str
    amount: int
    capture_mode: CaptureMode
    order: Order | None = None
    cart: Cart | None = None
    ttl_s: int = 1800
    save_method: bool = False
    saved_method: str | None = None
    reason: str | None = None
    opened_at: datetime | None = None
    contact: Contact | None = None
    refunded_cart: Cart | None = msgspec.field(default=None, name="returned")
    refundable_before: int | None = msgspec.field(default=None, name="kept")
    open_refund_amounts: tuple[int, ...] = msgspec.field(default=(), name="under_way")
    reply_to: ReplyTo | None = None
    books: Books | None = None
    not_after: datetime | None = None
    lane: Lane = Lane.INTERACTIVE
