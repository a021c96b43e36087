"""A discrepancy: a named difference between a provider's statement and our books, and how it is closed.

The life cycle is data. A discrepancy closes on evidence alone: the next comparison agrees. What a person says of it is a
claim (RESOLVED), which the next statement confirms, or it opens again. Only what no statement can confirm (WRITTEN_OFF,
ACCEPTED) closes on a person's word: above a limit with the approval of a second one.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec


class Kind(StrEnum):
    """What differs."""

    LATE = "late"
    """Our movement is in no statement yet; there is time."""
    MISSING_AT_PROVIDER = "missing_at_provider"
    """Our movement is in no statement, and the time for it is over."""
    MISSING_HERE = "missing_here"
    """A line for a payment of ours, without a movement in the books."""
    UNKNOWN_PAYMENT = "unknown_payment"
    """A line for no payment of ours."""
    AMBIGUOUS = "ambiguous"
    """A line that fits several operations of one payment."""
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    TAKEN_TWICE = "taken_twice"
    """The provider has one movement of ours twice."""
    REFUND_UNDONE = "refund_undone"
    """A refund of ours came back from the provider."""
    CHARGEBACK = "chargeback"
    LINE_CHANGED = "line_changed"
    """A line that agreed has another amount now."""
    LINE_WITHDRAWN = "line_withdrawn"
    """A line that agreed is not in the statement any more."""
    MOVEMENT_REVERSED = "movement_reversed"
    """Our movement agreed, and was reversed here since."""
    UNCLASSIFIED_LINE = "unclassified_line"
    """A line of a type that we do not know."""
    FEE_DIFFERS = "fee_differs"
    """A provider kept another fee than the contract says."""
    PAYOUT_DIFFERS = "payout_differs"
    """A payout is not the sum of what the provider says that it consists of."""
    STATEMENT_MISSING = "statement_missing"
    """There is no statement of a day, long after it ended."""
    STATEMENT_SUSPECT = "statement_suspect"
    """So much differs that the statement itself is doubted."""


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    INFO = "info"


class State(StrEnum):
    """How far a discrepancy got."""

    EXPECTED = "EXPECTED"
    """Only time is lacking."""
    OPEN = "OPEN"
    """The payment asks its provider, or the next statement decides."""
    PERSON = "PERSON"
    """A person has to decide: asking did not help, or cannot."""
    RESOLVED = "RESOLVED"
    """A person has decided; the next statement has to confirm it."""
    CLOSED = "CLOSED"


class Event(StrEnum):
    """What moves a discrepancy."""

    WAITS = "waits"
    """It was found, and there is time."""
    FOUND = "found"
    ASKED = "asked"
    """The payment was told to ask its provider, or what the line proves."""
    NEEDS_PERSON = "needs_person"
    CLAIMED = "claimed"
    """A person takes it on."""
    RESOLVED = "resolved"
    AGREED = "agreed"
    """Statement and books agree: the evidence."""
    SETTLED = "settled"
    """Closed on a person's word: written off, or accepted."""
    REOPENED = "reopened"
    """A person takes a decision back."""


class Resolution(StrEnum):
    """What a person decided."""

    CORRECTED = "corrected"
    """Our books were wrong, and are corrected."""
    RECORDED = "recorded"
    """The movement was made by hand, and is recorded."""
    REFUNDED_AT_PROVIDER = "refunded_at_provider"
    """The provider gives the money back."""
    NOT_OURS = "not_ours"
    """The provider takes the line back."""
    WRITTEN_OFF = "written_off"
    ACCEPTED = "accepted"
    """It stays as it is, and is no loss."""


#: What one person may write off or accept alone, minor units: either way the books take it as an adjustment.
CLOSE_ALONE: Final = 100_000
#: Nothing that comes later can confirm these.
FINAL_RESOLUTIONS: Final = frozenset({Resolution.WRITTEN_OFF, Resolution.ACCEPTED})
#: Kinds that may be accepted.
ACCEPTABLE: Final = frozenset(
    {
        Kind.UNCLASSIFIED_LINE,
        Kind.LINE_CHANGED,
        Kind.FEE_DIFFERS,
        Kind.PAYOUT_DIFFERS,
        Kind.STATEMENT_MISSING,
        Kind.STATEMENT_SUSPECT,
    }
)

TRANSITIONS: Final[Mapping[tuple[State | None, Event], State]] = MappingProxyType(
    {
        (None, Event.WAITS): State.EXPECTED,
        (None, Event.FOUND): State.OPEN,
        (None, Event.NEEDS_PERSON): State.PERSON,
        (State.EXPECTED, Event.WAITS): State.EXPECTED,
        (State.EXPECTED, Event.FOUND): State.OPEN,
        (State.EXPECTED, Event.NEEDS_PERSON): State.PERSON,
        (State.EXPECTED, Event.AGREED): State.CLOSED,
        (State.OPEN, Event.FOUND): State.OPEN,
        (State.OPEN, Event.ASKED): State.OPEN,
        (State.OPEN, Event.NEEDS_PERSON): State.PERSON,
        (State.OPEN, Event.CLAIMED): State.OPEN,
        (State.OPEN, Event.RESOLVED): State.RESOLVED,
        (State.OPEN, Event.SETTLED): State.CLOSED,
        (State.OPEN, Event.AGREED): State.CLOSED,
        (State.PERSON, Event.FOUND): State.PERSON,
        (State.PERSON, Event.NEEDS_PERSON): State.PERSON,
        (State.PERSON, Event.CLAIMED): State.PERSON,
        (State.PERSON, Event.RESOLVED): State.RESOLVED,
        (State.PERSON, Event.SETTLED): State.CLOSED,
        (State.PERSON, Event.AGREED): State.CLOSED,
        # The claim is not confirmed: the person has to look again.
        (State.RESOLVED, Event.FOUND): State.PERSON,
        (State.RESOLVED, Event.NEEDS_PERSON): State.PERSON,
        (State.RESOLVED, Event.REOPENED): State.PERSON,
        (State.RESOLVED, Event.AGREED): State.CLOSED,
        # A later statement contradicts what closed it.
        (State.CLOSED, Event.WAITS): State.EXPECTED,
        (State.CLOSED, Event.FOUND): State.OPEN,
        (State.CLOSED, Event.NEEDS_PERSON): State.PERSON,
        (State.CLOSED, Event.REOPENED): State.PERSON,
    }
)


class Handling(msgspec.Struct, frozen=True):
    """How a kind is handled. ``asks``: the number of business days on which the payment gets a message, to inquire of its
    provider or to book the line; then a person decides. ``due``: the time to act, ``None`` where nobody has to."""

    severity: Severity
    due: timedelta | None
    asks: int = 0


_DUE: Final = {
    Severity.CRITICAL: timedelta(hours=1),
    Severity.HIGH: timedelta(days=1),
    Severity.MEDIUM: timedelta(days=3),
    Severity.INFO: None,
}


def _handling(severity: Severity, asks: int = 0) -> Handling:
    return Handling(severity, _DUE[severity], asks)


HANDLING: Final[Mapping[Kind, Handling]] = MappingProxyType(
    {
        Kind.LATE: _handling(Severity.INFO),
        Kind.MISSING_AT_PROVIDER: _handling(Severity.HIGH, asks=3),
        Kind.MISSING_HERE: _handling(Severity.HIGH, asks=3),
        Kind.UNKNOWN_PAYMENT: _handling(Severity.CRITICAL),
        Kind.AMBIGUOUS: _handling(Severity.HIGH, asks=3),
        Kind.AMOUNT_DIFFERS: _handling(Severity.HIGH, asks=3),
        Kind.CURRENCY_DIFFERS: _handling(Severity.HIGH),
        Kind.TAKEN_TWICE: _handling(Severity.CRITICAL),
        Kind.REFUND_UNDONE: _handling(Severity.HIGH, asks=3),
        Kind.CHARGEBACK: _handling(Severity.HIGH, asks=3),
        Kind.LINE_CHANGED: _handling(Severity.HIGH, asks=3),
        Kind.LINE_WITHDRAWN: _handling(Severity.CRITICAL, asks=3),
        Kind.MOVEMENT_REVERSED: _handling(Severity.HIGH),
        Kind.UNCLASSIFIED_LINE: _handling(Severity.MEDIUM),
        Kind.FEE_DIFFERS: _handling(Severity.MEDIUM),
        Kind.PAYOUT_DIFFERS: _handling(Severity.HIGH),
        Kind.STATEMENT_MISSING: _handling(Severity.HIGH),
        Kind.STATEMENT_SUSPECT: _handling(Severity.CRITICAL),
    }
)


def at_stake(
    kind: Kind, ours: int | None, theirs: int | None, currency: str | None, detail: Mapping[str, Any]
) -> tuple[int, str | None]:
    """What a write-off or an acceptance is about: minor units, and their currency. Of a fee and a payout the sides are in the detail; of two
    currencies it is the larger side."""
    match kind:
        case Kind.FEE_DIFFERS:
            ours, theirs, currency = detail.get("by_contract"), detail.get("fee"), detail.get("currency")
        case Kind.PAYOUT_DIFFERS:
            ours, theirs, currency = detail.get("consists_of"), detail.get("paid"), detail.get("currency")
        case Kind.CURRENCY_DIFFERS:
            return max(abs(ours or 0), abs(theirs or 0)), currency
    return abs((theirs or 0) - (ours or 0)), currency


def step(state: State | None, event: Event) -> State | None:
    """The state after ``event``; ``None`` where it is not possible. ``state``: ``None`` before the discrepancy exists."""
    return TRANSITIONS.get((state, event))
