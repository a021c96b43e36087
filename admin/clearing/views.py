"""What clearing's endpoints answer. Amounts are signed minor units: positive, the provider owes us more. Times are UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from backoffice.clearing.closing import DayBalance
from backoffice.clearing.discrepancies import Found
from backoffice.clearing.runs import DayState, DayStatus
from backoffice.clearing.stuck import StuckBy
from billing.clearing.discrepancies import Event, Kind, Resolution, Severity, State
from storage.clearing.discrepancies import Discrepancy, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyView:
    """A named difference between a provider's statement and the books. ``due_at``: by when somebody has to act;
    ``confirm_by``: the business day whose statement has to confirm the resolution."""

    id: UUID
    provider: str
    subject: str
    kind: Kind
    severity: Severity
    state: State
    business_date: date
    payment_id: UUID | None
    operation_id: UUID | None
    currency: str | None
    ours: int | None
    theirs: int | None
    detail: dict[str, Any]
    owner: str | None
    due_at: datetime | None
    asked: int
    asked_for: date | None
    resolution: Resolution | None
    confirm_by: date | None
    version: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """One event of a discrepancy."""

    version: int
    at: datetime
    actor: str
    event: Event
    kind: Kind
    state: State
    reason: str | None
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDiscrepancyView:
    """A discrepancy with its history, oldest first."""

    discrepancy: DiscrepancyView
    history: tuple[HistoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscrepancyPage:
    """Discrepancies, the most urgent first. ``next_cursor`` is null on the last page."""

    data: tuple[DiscrepancyView, ...]
    has_more: bool
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDayView:
    """A business day of one provider. ``lines``: of its statement; ``movements``: ours. ``discrepancies``: by kind and
    state."""

    provider: str
    date: date
    state: DayState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    lines: int
    movements: int
    discrepancies: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayList:
    """Days of providers, the latest first."""

    data: tuple[ProviderDayView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """A day at all providers."""

    date: date
    providers: tuple[ProviderDayView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account over a day; positive: debit."""

    account: str
    currency: str
    opening: int
    debit: int
    credit: int
    closing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceView:
    """Every account over a day of the books; all together are zero in each currency. ``closed_at``, ``closed_by``,
    ``reason`` and ``hash`` are null while the day is open and may still change."""

    date: date
    entries: int
    accounts: tuple[AccountView, ...]
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None
    hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckView:
    """Something that nothing has settled in time. ``asked_by``: what keeps asking; ``needs_person``: asking has not
    helped."""

    rule: str
    state: str
    asked_by: str
    needs_person: bool
    provider: str
    payment_id: str | None
    subject: str
    since: datetime
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckList:
    """What is stuck, by rule, the oldest first."""

    data: tuple[StuckView, ...]


def discrepancy_view(discrepancy: Discrepancy) -> DiscrepancyView:
    """A discrepancy as clients see it."""
    return DiscrepancyView(**msgspec.structs.asdict(discrepancy))


def found_view(found: Found) -> FoundDiscrepancyView:
    """A discrepancy with its history."""
    return FoundDiscrepancyView(
        discrepancy=discrepancy_view(found.discrepancy), history=tuple(map(_history_view, found.history))
    )


def _history_view(entry: HistoryEntry) -> HistoryView:
    return HistoryView(
        version=entry.version,
        at=entry.at,
        actor=entry.actor,
        event=entry.event,
        kind=entry.kind,
        state=entry.state,
        reason=entry.reason,
        ours=entry.evidence.get("ours"),
        theirs=entry.evidence.get("theirs"),
    )


def day_view(day: DayStatus) -> ProviderDayView:
    """A provider's day."""
    return ProviderDayView(
        provider=day.provider,
        date=day.day,
        state=day.state,
        reason=day.reason,
        started_at=day.started_at,
        finished_at=day.finished_at,
        lines=day.ran.get("lines", 0),
        movements=day.ran.get("movements", 0),
        discrepancies=day.discrepancies,
    )


def balance_view(balance: DayBalance) -> TrialBalanceView:
    """A trial balance."""
    accounts = tuple(AccountView(**msgspec.structs.asdict(row)) for row in balance.accounts)
    return TrialBalanceView(
        date=balance.accounting_date,
        entries=balance.entries,
        accounts=accounts,
        closed_at=balance.closed_at,
        closed_by=balance.closed_by,
        reason=balance.reason,
        hash=balance.hash,
    )


def stuck_view(stuck: StuckBy) -> StuckView:
    """Something that is stuck."""
    return StuckView(**msgspec.structs.asdict(stuck))
