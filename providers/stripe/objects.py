"""The fields of Stripe's objects that we read."""

from typing import Literal

import msgspec


class Failure(msgspec.Struct):
    """An error, or why a payment's last attempt failed."""

    type: str
    code: str | None = None
    decline_code: str | None = None


class PaymentIntent(msgspec.Struct):
    """A payment. Amounts in minor units. ``latest_charge`` exists after the first attempt to charge."""

    id: str
    object: Literal["payment_intent"]
    status: str
    amount_received: int = 0
    customer: str | None = None
    payment_method: str | None = None
    setup_future_usage: str | None = None
    last_payment_error: Failure | None = None
    latest_charge: str | None = None
    metadata: dict[str, str] = {}


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


class Refund(msgspec.Struct):
    """A refund. ``amount``: minor units."""

    id: str
    object: Literal["refund"]
    status: str
    amount: int
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] = {}


class Charge(msgspec.Struct):
    """An attempt to charge; carries the metadata that its PaymentIntent had then."""

    id: str
    object: Literal["charge"]
    payment_intent: str | None = None
    metadata: dict[str, str] = {}


class Source(msgspec.Struct):
    """The cause of a movement: a charge or a refund; other causes may lack their fields."""

    id: str
    payment_intent: str | None = None
    metadata: dict[str, str] = {}


class BalanceTransaction(msgspec.Struct):
    """A movement on the balance. ``amount`` and ``fee``: minor units, debits negative; ``created``: Unix
    seconds."""

    id: str
    object: Literal["balance_transaction"]
    type: str
    amount: int
    fee: int
    currency: str
    created: int
    source: Source | None = None


class _Named(msgspec.Struct):
    id: str


class Page(msgspec.Struct):
    """A page of a list, the newest first. The next one starts after the last object's id."""

    object: Literal["list"]
    has_more: bool
    items: list[msgspec.Raw] = msgspec.field(name="data")

    def next_query(self) -> dict[str, str] | None:
        """The query parameters of the next page; ``None`` after the last one."""
        return {"starting_after": msgspec.json.decode(self.items[-1], type=_Named).id} if self.has_more else None


class Refusal(msgspec.Struct):
    """The body of an answer that is no success."""

    error: Failure
