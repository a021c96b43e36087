"""The fields of Stripe's objects that we read."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from billing.messages import ProviderReason
from providers.own_words import provider_reason
from providers.reading import last_digits

#: ``reporting_category`` of what a partial capture released.
PARTIAL_CAPTURE: Final = "partial_capture_reversal"

#: As Stripe writes every time, bounded by what a datetime can hold.
UnixSeconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]


def moment(seconds: int | None) -> datetime | None:
    """A time of Stripe's."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Named(msgspec.Struct):
    """An object of which we need the id only."""

    id: str


Reference = str | Named | None
"""Another object: its id, or all of it where the caller or the webhook endpoint expands it."""


def id_of(reference: Reference) -> str | None:
    """The id of the object that is referred to."""
    return reference.id if isinstance(reference, Named) else reference


class WithMetadata(msgspec.Struct, kw_only=True):
    """An object with ``metadata``; null is documented."""

    metadata: dict[str, str] | None = None

    def named(self, key: str) -> str | None:
        """A value of the metadata."""
        return None if self.metadata is None else self.metadata.get(key)


class Failure(msgspec.Struct):
    """An error, or why a payment's last attempt failed. ``network_advice_code``: the card network's advice on a decline,
    two digits."""

    type: str
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    network_advice_code: str | None = None

    @property
    def in_own_words(self) -> ProviderReason | None:
        """Stripe's most exact code, and its words for developers."""
        return provider_reason(self.decline_code or self.code or self.type, self.message)


class _Card(msgspec.Struct):
    last4: str | None = None


class _MethodDetails(msgspec.Struct):
    card: _Card | None = None


class Attempt(Named):
    """A charge, where the caller or the webhook endpoint expands it. ``created``: when the customer was charged, or the
    amount was held."""

    created: UnixSeconds | None = None
    payment_method_details: _MethodDetails | None = None

    @property
    def last4(self) -> str | None:
        """The last four digits of the card that was charged."""
        details = self.payment_method_details
        return None if details is None or details.card is None else last_digits(details.card.last4)


class PaymentIntent(WithMetadata):
    """A payment. Amounts in minor units. ``latest_charge`` exists after the first attempt to charge."""

    id: str
    object: Literal["payment_intent"]
    status: str
    amount_received: int = 0
    amount_capturable: int | None = None
    currency: str | None = None
    customer: Reference = None
    payment_method: Reference = None
    setup_future_usage: str | None = None
    last_payment_error: Failure | None = None
    latest_charge: Attempt | str | None = None
    capture_method: str | None = None
    canceled_at: UnixSeconds | None = None


class Session(msgspec.Struct):
    """A Checkout Session: the page. Its PaymentIntent is made when the customer first tries to pay."""

    id: str
    object: Literal["checkout.session"]
    status: Literal["open", "complete", "expired"]
    url: str | None = None
    payment_intent: PaymentIntent | str | None = None
    client_reference_id: str | None = None

    @property
    def intent(self) -> PaymentIntent | None:
        """The PaymentIntent, where it was expanded; ``None`` before there is one."""
        return self.payment_intent if isinstance(self.payment_intent, PaymentIntent) else None


class _Movement(msgspec.Struct):
    reporting_category: str | None = None


class Refund(WithMetadata):
    """A refund. ``amount``: minor units; ``status``: null is documented; ``balance_transaction``: the movement on the
    balance, where the caller expands it."""

    id: str
    object: Literal["refund"]
    amount: int
    status: str | None = None
    payment_intent: Reference = None
    created: UnixSeconds | None = None
    failure_reason: str | None = None
    balance_transaction: _Movement | str | None = None

    @property
    def is_reversal(self) -> bool:
        """It is no refund: Stripe made it of what a partial capture released. API versions before 2025-03-31.basil do
        so, and what they made stays."""
        movement = self.balance_transaction
        return isinstance(movement, _Movement) and movement.reporting_category == PARTIAL_CAPTURE


class Charge(WithMetadata):
    """An attempt to charge; carries the metadata that its PaymentIntent had then."""

    id: str
    object: Literal["charge"]
    payment_intent: Reference = None


class Page(msgspec.Struct):
    """A page of a list, the newest first. The next one starts after the last object's id."""

    CURSOR: ClassVar = "starting_after"

    object: Literal["list"]
    has_more: bool
    items: list[msgspec.Raw] = msgspec.field(name="data")

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; ``None`` after the last one."""
        return msgspec.json.decode(self.items[-1], type=Named).id if self.has_more else None


class Refusal(msgspec.Struct):
    """The body of an answer that is no success."""

    error: Failure
