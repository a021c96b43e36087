"""What others see of clearing: `billing.clearing.events`, keyed by provider.

Each event says what its subject is now, at a ``version`` that grows with every change of it: of two, the higher one holds.
"""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from billing.clearing.discrepancies import Event, Kind, Resolution, Severity, State
from billing.messages.base import Message


class ClearingMessage(Message, frozen=True, omit_defaults=True, kw_only=True):
    """Base of the events of clearing. ``id``: of the subject. ``changed_at``: UTC."""

    id: UUID
    version: int
    changed_at: datetime

    @property
    def subject_id(self) -> UUID:
        """The id of the subject."""
        return self.id

    @property
    def key(self) -> str:
        """The key in Kafka: events of one subject keep their order."""
        raise NotImplementedError


class ProviderMessage(ClearingMessage, frozen=True, omit_defaults=True, kw_only=True):
    """Base of the events about a business day of a provider."""

    provider: str
    business_date: date

    @property
    def key(self) -> str:
        """The provider."""
        return self.provider


class BookedTotal(msgspec.Struct, frozen=True):
    """What our books moved at the provider in a day. ``amount``: signed minor units of ``currency``."""

    currency: str
    movements: int
    amount: int


class StatementTotal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sums of a day's lines of one kind, method, pair of currencies and delay, with a fee or without.

    ``amount``: signed minor units of ``currency``; ``settled``: the same in ``settlement_currency``; ``fee``: in that one
    too, tax included, ``None``: not told. ``delay_days``: business days from our booking to the statement; ``None``: there
    is no booking."""

    kind: str
    currency: str
    lines: int
    amount: int
    settlement_currency: str
    settled: int
    method: str | None = None
    fee: int | None = None
    delay_days: int | None = None


class DayCleared(ProviderMessage, frozen=True, omit_defaults=True, kw_only=True):
    """A business day after a run. ``state``: ``done``; ``open``: it is tried again; ``suspect``: the statement is doubted
    until a person lets it go on. ``reason``: why it is not done. ``lines``: of its statement; ``loose``: those that should
    have an operation and have none. ``discrepancies``: found on that day and not closed, by kind."""

    TYPE: ClassVar[str] = "billing.clearing.day.v1"

    state: Literal["done", "open", "suspect"]
    lines: int
    loose: int
    reason: str | None = None
    booked: tuple[BookedTotal, ...] = ()
    stated: tuple[StatementTotal, ...] = ()
    discrepancies: dict[str, int] = msgspec.field(default_factory=dict)


class DiscrepancyChanged(ProviderMessage, frozen=True, omit_defaults=True, kw_only=True):
    """A discrepancy after one event. ``previous_kind``, ``previous_state``: missing where the event created it. ``ours``,
    ``theirs``: signed minor units of ``currency``. ``due_at``: by when somebody has to act (UTC). ``confirm_by``: the
    business day whose statement has to confirm the resolution. ``actor``, ``reason``: who caused it, and why."""

    TYPE: ClassVar[str] = "billing.clearing.discrepancy.v1"

    subject: str
    kind: Kind
    severity: Severity
    state: State
    event: Event
    actor: str
    opened_at: datetime
    previous_kind: Kind | None = None
    previous_state: State | None = None
    reason: str | None = None
    payment_id: UUID | None = None
    operation_id: UUID | None = None
    currency: str | None = None
    ours: int | None = None
    theirs: int | None = None
    owner: str | None = None
    due_at: datetime | None = None
    asked: int = 0
    resolution: Resolution | None = None
    confirm_by: date | None = None
    closed_at: datetime | None = None


class LostCallbacks(ProviderMessage, frozen=True, omit_defaults=True, kw_only=True):
    """Operations of a business day whose end no callback and no answer told us of, by how it was learnt: ``inquiry``,
    ``statement``, ``operator``."""

    TYPE: ClassVar[str] = "billing.clearing.lost_callbacks.v1"

    learnt_by: dict[str, int]


class PayoutStated(ProviderMessage, frozen=True, omit_defaults=True, kw_only=True):
    """A payout in a statement, or one that failed and came back. ``line``: the provider's id of the line. ``amount``:
    minor units of ``currency``, negative where the money left the provider. ``at``: UTC. ``available_on``: the day on which
    the bank has it. ``withdrawn``: the line is not in the statement any more."""

    TYPE: ClassVar[str] = "billing.clearing.payout.v1"

    kind: Literal["payout", "payout_failed"]
    line: str
    currency: str
    amount: int
    at: datetime
    payout_ref: str | None = None
    fee: int | None = None
    available_on: date | None = None
    withdrawn: bool = False


class DayClosed(ClearingMessage, frozen=True, omit_defaults=True, kw_only=True):
    """A day of the books that was closed. ``entries``: of the ledger. ``hash``: the day's link of the chain, hexadecimal."""

    TYPE: ClassVar[str] = "billing.books.day_closed.v1"

    accounting_date: date
    closed_by: str
    reason: str
    entries: int
    hash: str

    @property
    def key(self) -> str:
        """One key for all days: they keep their order."""
        return "books"
