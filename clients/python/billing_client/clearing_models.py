"""What the service answers about clearing. Amounts are signed minor units: positive, the provider owes us more."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True):
    """A named difference between a provider's statement and the books. ``version``: give it with a decision as what you
    saw. ``due_at``: by when somebody has to act; ``confirm_by``: the business day whose statement has to confirm the
    resolution."""

    id: UUID
    provider: str
    subject: str
    kind: str
    severity: str
    state: str
    business_date: date
    payment_id: UUID | None = None
    operation_id: UUID | None = None
    currency: str | None = None
    ours: int | None = None
    theirs: int | None = None
    detail: dict[str, Any] = {}
    owner: str | None = None
    due_at: datetime | None = None
    asked: int = 0
    resolution: str | None = None
    confirm_by: date | None = None
    version: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


class DiscrepancyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a discrepancy."""

    version: int
    at: datetime
    actor: str
    event: str
    kind: str
    state: str
    reason: str | None = None
    ours: int | None = None
    theirs: int | None = None


class FoundDiscrepancy(msgspec.Struct, frozen=True):
    """A discrepancy with its history, oldest first."""

    discrepancy: Discrepancy
    history: tuple[DiscrepancyEvent, ...]


class ProviderDay(msgspec.Struct, frozen=True, kw_only=True):
    """A business day of one provider. ``state``: ``open``, ``suspect`` or ``done``; ``discrepancies``: by kind and state."""

    provider: str
    date: date
    state: str
    reason: str | None = None
    started_at: datetime
    finished_at: datetime | None = None
    lines: int
    movements: int
    discrepancies: dict[str, dict[str, int]]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account over a day; positive: debit."""

    account: str
    currency: str
    opening: int
    debit: int
    credit: int
    closing: int


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Every account over a day of the books. ``closed_at`` and what follows: ``None`` while the day is open."""

    date: date
    entries: int
    accounts: tuple[Account, ...]
    closed_at: datetime | None = None
    closed_by: str | None = None
    reason: str | None = None
    hash: str | None = None


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """Something that nothing has settled in time."""

    rule: str
    state: str
    asked_by: str
    needs_person: bool
    provider: str
    payment_id: str | None = None
    subject: str
    since: datetime
    amount: int | None = None
    currency: str | None = None
