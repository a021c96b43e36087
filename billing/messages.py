"""Everything that travels through Kafka, and its envelope (CloudEvents 1.0, structured mode, JSON).

A message is a frozen struct with a ``TYPE``; the envelope carries it with an id, a time and a trace. Ids are
deterministic wherever the same message may be written twice, so that a repeat is recognised as one.
"""

from datetime import datetime
from typing import Any, ClassVar, Final, Self
from uuid import UUID

import msgspec

from billing.errors import InvalidMessage
from billing.order import Cart, Contact, Order
from billing.views import CallView, Entitlement, LineView, PostingView
from billing.vocabulary import (
    Action,
    CaptureMode,
    OperationStatus,
    OperationType,
    Outcome,
    PaymentStatus,
)


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of what an envelope carries; every message is about one payment."""

    TYPE: ClassVar[str]

    payment_id: UUID


class ReplyTo(msgspec.Struct, frozen=True):
    """Where a waiting request listens: a partition of ``billing.replies`` and its own id."""

    partition: int
    correlation_id: str


# --- commands: billing.payments.inbox, keyed by payment id -----------------------------------------------------


class CreatePayment(Message, frozen=True, omit_defaults=True):
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


class CapturePayment(Message, frozen=True, omit_defaults=True):
    """Take what is held. ``amount``: minor units, ``None`` for all of it; a smaller one gives the rest back and
    needs ``cart``, what is sold after all. ``operation_id`` is derived from the client's idempotency key;
    ``fingerprint``, here and below, is the SHA-256 of the canonical request, to tell a repeat from a misuse."""

    TYPE: ClassVar[str] = "billing.payment.capture.v1"

    operation_id: UUID
    amount: int | None = None
    cart: Cart | None = None
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class VoidPayment(Message, frozen=True, omit_defaults=True):
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


class RefundPayment(Message, frozen=True, omit_defaults=True):
    """Give back what was taken: by ``items``, or an ``amount`` in minor units, or all that is left."""

    TYPE: ClassVar[str] = "billing.payment.refund.v1"

    operation_id: UUID
    reason: str
    amount: int | None = None
    items: tuple[RefundLine, ...] = ()
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class RollbackPayment(Message, frozen=True, omit_defaults=True):
    """Close the payment whatever its state: unpaid it can no longer be paid, held it is released, taken it is
    given back."""

    TYPE: ClassVar[str] = "billing.payment.rollback.v1"

    operation_id: UUID
    reason: str
    reply_to: ReplyTo | None = None
    fingerprint: str | None = None


class ExpirePayment(Message, frozen=True, omit_defaults=True):
    """The time to pay, or to capture what is held, is over: ask the provider, and close on its word."""

    TYPE: ClassVar[str] = "billing.payment.expire.v1"


class CorrectPayment(Message, frozen=True, omit_defaults=True):
    """An operator's word on how an operation ended, against what the books say. ``operator`` and ``reason`` stay on
    record; what was posted otherwise is reversed."""

    TYPE: ClassVar[str] = "billing.payment.correct.v1"

    correction_id: UUID
    operation_id: UUID
    succeeded: bool
    operator: str
    reason: str
    reply_to: ReplyTo | None = None


class ChaseOperation(Message, frozen=True, omit_defaults=True):
    """Ask again about an operation that is not final. Sent when its time has come; ``chase`` is the count it was
    sent for, so that a repeat asks once."""

    TYPE: ClassVar[str] = "billing.payment.chase.v1"

    operation_id: UUID
    chase: int


# --- what providers said: billing.payments.inbox -----------------------------------------------------------------


class ObservedOperation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's view of one operation. ``operation_id`` is ours where the provider echoes it.
    ``amount``: minor units, where the provider states it."""

    type: OperationType
    status: OperationStatus
    operation_id: UUID | None = None
    provider_ref: str | None = None
    amount: int | None = None
    reason: str | None = None


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's view of an order at one moment: from a callback, an inquiry or the answer to a call."""

    status: PaymentStatus | None = None
    operations: tuple[ObservedOperation, ...] = ()
    #: Why the provider failed the payment, in our vocabulary of decline reasons; only with status FAILED.
    reason: str | None = None
    #: When the provider says it happened (UTC).
    occurred_at: datetime | None = None
    #: By what name the provider charges the order's method again, if the order was opened to save it.
    method_ref: str | None = None
    #: The provider's own name of the order, where it is the provider that names it.
    order_ref: str | None = None


class ProviderResult(Message, frozen=True, omit_defaults=True):
    """How a provider call ended. ``provider_ref``: the provider's id of the order (CREATE, RECUR) or operation.
    ``reason``: decline reason or error class; ``duration_ms``: time spent in the provider; ``retry_after_s``: how long
    the provider asked to be left alone, seconds."""

    TYPE: ClassVar[str] = "billing.provider.result.v1"

    operation_id: UUID
    provider: str
    action: Action
    outcome: Outcome
    provider_ref: str | None = None
    payment_url: str | None = None
    method_ref: str | None = None
    reason: str | None = None
    retryable: bool = False
    observed: Observation | None = None
    duration_ms: float = 0.0
    reply_to: ReplyTo | None = None
    retry_after_s: int | None = None


class ProviderCallback(Message, frozen=True, omit_defaults=True):
    """A verified provider callback for a payment we know. ``dedupe``: the provider's own identity of the event.
    ``ask``: it is no evidence, or not enough of it; the provider is asked instead."""

    TYPE: ClassVar[str] = "billing.provider.callback.v1"

    provider: str
    dedupe: str
    observed: Observation
    ask: bool = False


# --- billing.provider.requests, keyed by payment id -----------------------------------------------------------------


class ProviderRequest(Message, frozen=True, omit_defaults=True):
    """One thing to ask of one provider, self-contained: the provider agent reads nothing else.

    ``operation_id`` is the idempotency key sent to the provider. ``order_ref``: the provider's name of the order;
    until a provider that names orders itself has told it, and for good where the merchant names them, the id of the
    operation that opened it. ``opened_at``: when the payment was recorded (UTC). ``amount``: minor units.
    ``cart``: for CREATE and RECUR what is bought; for CAPTURE and REFUND the cart that remains *after* it;
    ``returned``: for REFUND by items, what is given back. ``contact``: where the receipt goes. ``kept``: for REFUND,
    what the provider holds by our books, minor units, as if no refund were open; ``under_way``: the amounts of the
    other refunds that are.
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
    returned: Cart | None = None
    kept: int | None = None
    under_way: tuple[int, ...] = ()
    reply_to: ReplyTo | None = None


# --- billing.events, keyed by payment id ----------------------------------------------------------------------------


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


# --- billing.replies --------------------------------------------------------------------------------------------------


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


# --- envelope ----------------------------------------------------------------------------------------------------------

MESSAGE_TYPES: Final[dict[str, type[Message]]] = {
    cls.TYPE: cls
    for cls in (
        CreatePayment,
        CapturePayment,
        VoidPayment,
        RefundPayment,
        RollbackPayment,
        ExpirePayment,
        CorrectPayment,
        ChaseOperation,
        ProviderResult,
        ProviderCallback,
        ProviderRequest,
        PaymentChanged,
        Reply,
    )
}


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """CloudEvents 1.0. ``time`` is when it was written (UTC); ``actor`` is who caused it (an extension attribute);
    ``traceparent`` is the W3C trace context."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    actor: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw

    @classmethod
    def wrap(
        cls,
        message: Message,
        *,
        id: str,
        source: str,
        subject: str,
        time: datetime,
        actor: str | None = None,
        traceparent: str | None = None,
    ) -> Self:
        return cls(
            id=id,
            source=source,
            type=message.TYPE,
            subject=subject,
            time=time,
            actor=actor,
            traceparent=traceparent,
            data=msgspec.Raw(_encoder.encode(message)),
        )

    def open(self) -> Message:
        """The typed message; :class:`InvalidMessage` when its type is unknown or its data does not fit."""
        decoder = _decoders.get(self.type)
        if decoder is None:
            raise InvalidMessage(f"unknown message type {self.type!r}")
        try:
            message: Message = decoder.decode(self.data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise InvalidMessage(f"{self.type}: {error}") from error
        return message

    def encode(self) -> bytes:
        return _encoder.encode(self)


_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(Envelope)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(cls) for name, cls in MESSAGE_TYPES.items()
}


def decode_envelope(raw: bytes) -> Envelope:
    """Parse an envelope; :class:`InvalidMessage` when the bytes are not one."""
    try:
        return _envelopes.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidMessage(f"not a CloudEvent: {error}") from error
