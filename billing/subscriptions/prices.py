"""What a subscription costs: an immutable, versioned price of a plan."""

from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

import msgspec

from billing.errors import InvalidCart
from billing.money import MAX_AMOUNT, exponent
from billing.orders import Cart, Item
from billing.subscriptions.cadence import MAX_COUNT, Cadence
from billing.vocabulary import Tax

#: The namespace of the ids of prices and subscriptions.
NAMESPACE: Final = UUID("d960b657-9c2e-5e34-b9de-6e74c5fb52a7")


class RefundRule(StrEnum):
    """What a customer gets back who ends a paid period at once."""

    NONE = "NONE"
    PRORATED = "PRORATED"
    """For the time that is left, to the nearest minor unit."""
    FULL = "FULL"


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of what a plan costs; it never changes. ``amount``: minor units of ``currency`` per period, tax included.
    ``group``: a customer has one subscription in it. ``products``: what it gives access to."""

    id: UUID
    plan: str
    group: str
    title: str
    version: int
    currency: str
    amount: int
    cadence: Cadence
    products: tuple[str, ...]
    tax: Tax = Tax.NONE
    refund_on_cancel: RefundRule = RefundRule.PRORATED

    def check(self) -> None:
        """Raise :class:`InvalidCart` or :class:`~billing.errors.InvalidMoney` for a price that cannot be charged."""
        exponent(self.currency)
        if not 1 <= self.amount <= MAX_AMOUNT:
            raise InvalidCart(f"the amount {self.amount} is out of range")
        if not 1 <= self.cadence.count <= MAX_COUNT[self.cadence.unit]:
            raise InvalidCart(f"a period is 1 to {MAX_COUNT[self.cadence.unit]} {self.cadence.unit}")
        if not self.products:
            raise InvalidCart("a price opens at least one product")

    def cart(self) -> Cart:
        """What the receipt of a period shows."""
        return Cart((Item(self.plan, self.title, 1, self.amount, tax=self.tax),))


def price_id(client: str, plan: str, currency: str, version: int) -> UUID:
    """The id of a version of a price."""
    return uuid5(NAMESPACE, f"price:{client}:{plan}:{currency}:{version}")


def subscription_id(client: str, group: str, customer: str) -> UUID:
    """The id of a customer's one subscription in a group: a second command to subscribe reaches the same one."""
    return uuid5(NAMESPACE, f"{client}:{group}:{customer}")


def share(amount: int, part_us: int, whole_us: int) -> int:
    """The share of ``amount`` (minor units) for ``part_us`` of ``whole_us`` microseconds, halves rounded up."""
    return (2 * amount * part_us + whole_us) // (2 * whole_us)
