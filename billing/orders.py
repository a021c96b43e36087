"""An order: its cart of items and what the customer needs to pay it."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from billing.errors import InvalidCart
from billing.money import MAX_AMOUNT, exponent
from billing.vocabulary import ItemType, Tax

#: Bounds of a cart: providers refuse longer ones, and an unbounded cart is an unbounded message.
MAX_ITEMS = 100
MAX_QUANTITY = 10_000

#: Key of an order's metadata: when the access that the order buys ends, ISO 8601 with an offset. Missing: it has no end.
ACCESS_UNTIL: Final = "access_until"


class Item(msgspec.Struct, frozen=True):
    """One line of a cart. ``unit_price`` in minor units of the order's currency, tax included."""

    product_id: str
    title: str
    quantity: int
    unit_price: int
    type: ItemType = ItemType.DIGITAL
    tax: Tax = Tax.NONE
    #: Fiscal receipt: payment subject 1..26 and method 1..7, measure 0..255 (codes of the fiscal data format).
    subject: int = 4
    method: int = 4
    measure: int = 0

    @property
    def total(self) -> int:
        """Minor units."""
        return self.quantity * self.unit_price


class Cart(msgspec.Struct, frozen=True):
    """Items of one order; a product is in one line only (providers require it, refunds by item need it)."""

    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """Minor units."""
        return sum(item.total for item in self.items)

    def check(self, amount: int) -> None:
        """Raise :class:`InvalidCart` unless the cart can be sold for exactly ``amount`` minor units."""
        if not 1 <= len(self.items) <= MAX_ITEMS:
            raise InvalidCart(f"a cart holds 1 to {MAX_ITEMS} items, not {len(self.items)}")
        seen: set[str] = set()
        for item in self.items:
            if item.product_id in seen:
                raise InvalidCart(f"product {item.product_id!r} is in the cart twice")
            seen.add(item.product_id)
            if not 1 <= item.quantity <= MAX_QUANTITY or item.unit_price < 0:
                raise InvalidCart(f"product {item.product_id!r}: quantity or price out of range")
        if not 1 <= amount <= MAX_AMOUNT:
            raise InvalidCart(f"the amount {amount} is out of range")
        if self.total != amount:
            raise InvalidCart(f"the amount {amount} does not match the cart's total {self.total}")


class ReturnUrls(msgspec.Struct, frozen=True):
    """Where the provider returns the customer to."""

    success: str
    failure: str


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fiscal receipt goes; personal data, masked in logs."""

    email: str | None = None
    phone: str | None = None


#: What a payment of a subscription is for: the first payment opens it, a renewal charges its saved method, and a customer
#: pays a declined renewal on a page.
FIRST: Final = "FIRST"
RENEWAL: Final = "RENEWAL"
PAY: Final = "PAY"


class SubscriptionRef(msgspec.Struct, frozen=True):
    """The attempt of a subscription that a payment is: the subscription's ``id``, the number of the ``period`` that is
    paid for, the number of the ``attempt`` at it. ``purpose``: :data:`FIRST`, :data:`RENEWAL` or :data:`PAY`."""

    id: UUID
    period: int
    attempt: int
    purpose: str


class Order(msgspec.Struct, frozen=True):
    """A customer's purchase. ``amount`` is the cart's total in minor units of ``currency``. ``subscription``: the payment
    belongs to one, which grants the access and writes the letters; the payment itself does neither."""

    id: UUID
    customer_id: str
    currency: str
    amount: int
    cart: Cart
    return_urls: ReturnUrls | None = None
    contact: Contact | None = None
    metadata: dict[str, str] = {}
    subscription: SubscriptionRef | None = None

    @property
    def access_until(self) -> datetime | None:
        """End of the access that the order buys; :class:`InvalidCart` for a text that is not a time with an offset."""
        text = self.metadata.get(ACCESS_UNTIL)
        if text is None:
            return None
        try:
            until = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidCart(f"{ACCESS_UNTIL} is not a time: {text!r}") from error
        if until.tzinfo is None:
            raise InvalidCart(f"{ACCESS_UNTIL} has no offset: {text!r}")
        return until

    def check(self) -> None:
        """Raise :class:`InvalidCart` or :class:`InvalidMoney` unless the order can be paid."""
        exponent(self.currency)
        _ = self.access_until
        if self.subscription is not None and self.subscription.purpose not in (FIRST, RENEWAL, PAY):
            raise InvalidCart(f"{self.subscription.purpose!r} is no purpose of a subscription's payment")
        self.cart.check(self.amount)
