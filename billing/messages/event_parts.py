"""Parts of the event of a changed payment, for analytics and access."""

from datetime import datetime
from uuid import UUID

import msgspec

from billing.vocabulary import Action, Outcome


class Entitlement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The products that a payment entitles its customer to, and those it did before this change.
    ``valid_until``: end of the access (UTC); ``None`` for access without an end."""

    products: tuple[str, ...]
    before: tuple[str, ...]
    valid_until: datetime | None = None


class LineView(msgspec.Struct, frozen=True):
    """What one product brought in so far: minor units ``captured`` and ``refunded``. Over all lines they add up to the
    payment's; a refund that names no items is spread over the lines."""

    product_id: str
    captured: int
    refunded: int


class EntryView(msgspec.Struct, frozen=True):
    """One line of a posting: minor units, debit positive, credit negative."""

    account: str
    amount: int


class PostingView(msgspec.Struct, frozen=True):
    """A balanced set of ledger entries, in the payment's currency."""

    id: UUID
    operation_id: UUID
    posted_at: datetime
    entries: tuple[EntryView, ...]


class CallView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider call whose end caused the change. ``duration_us``: microseconds spent in the provider."""

    operation_id: UUID
    provider: str
    action: Action
    outcome: Outcome
    duration_us: int
    reason: str | None = None
