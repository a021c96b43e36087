"""A saved payment method: what may be charged, the customer absent."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID, uuid5

import msgspec

#: Never changes: the ids of saved methods are derived from it.
NAMESPACE: Final = UUID("b7d2a3f0-61c4-5e0b-8a52-9f0c4e6d1a37")


class Method(msgspec.Struct, frozen=True, omit_defaults=True):
    """A saved payment method. ``ref``: the provider's name of it; ``expires_on``: its last day."""

    id: UUID
    provider: str
    ref: str
    title: str = ""
    expires_on: date | None = None


def method_id(provider: str, customer_id: str, method_ref: str) -> UUID:
    """The id of a customer's saved method: saved twice, it is one. Neither a provider's name nor a customer's id has a
    space."""
    return uuid5(NAMESPACE, f"{provider} {customer_id} {method_ref}")


def last_day(month: str | None) -> date | None:
    """The last day of a month such as ``2028-04``; ``None`` for a text that is none."""
    if month is None:
        return None
    try:
        first = date.fromisoformat(f"{month}-01")
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    except (ValueError, OverflowError):
        return None
