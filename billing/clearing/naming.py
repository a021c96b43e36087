"""What a difference is called. A pure function over what is left after the set-based comparison: whatever agrees never
comes here."""

from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from billing.clearing.discrepancies import Kind

#: Kinds of lines that move what the provider owes us for a payment.
PAYMENT_LINES: Final = ("charge", "refund", "refund_undone", "chargeback", "chargeback_undone")


class Compared(msgspec.Struct, frozen=True):
    """An operation whose two sides differ. Amounts are signed minor units: positive where the provider owes us more.

    ``ours``: what the books moved at the provider for it, in ``currency``; ``theirs``: the sum of its lines, in
    ``their_currency``, both ``None`` where there is no line; the currency also where its lines have several. ``kinds``: those of its lines, in the order in which they
    came. ``changed``, ``withdrawn``: a line of it has changed its amount, or has gone, since it agreed. ``reversed``: the
    books have reversed a movement that agreed. ``booked_on``: the business day of our movement, ``None`` where the books
    have none."""

    operation_id: UUID
    payment_id: UUID
    currency: str
    ours: int
    theirs: int | None
    their_currency: str | None
    kinds: tuple[str, ...] = ()
    changed: bool = False
    withdrawn: bool = False
    reversed: bool = False
    booked_on: date | None = None


class Loose(msgspec.Struct, frozen=True):
    """A line that belongs to no operation. ``candidates``: the operations of its payment that it may be about."""

    kind: str
    payment_id: UUID | None
    candidates: int = 0


def name_compared(difference: Compared, *, late_until: date, today: date) -> Kind:
    """The name of an operation's difference. ``late_until``: the last business day on which its line may still come;
    ``today``: the business day that is cleared."""
    d = difference
    if not d.kinds:
        if d.withdrawn:
            return Kind.LINE_WITHDRAWN
        return Kind.LATE if today <= late_until else Kind.MISSING_AT_PROVIDER
    assert d.theirs is not None
    if d.their_currency != d.currency:
        return Kind.CURRENCY_DIFFERS
    if "refund_undone" in d.kinds:
        return Kind.REFUND_UNDONE
    if "chargeback" in d.kinds or "chargeback_undone" in d.kinds:
        return Kind.CHARGEBACK
    if d.reversed:
        return Kind.MOVEMENT_REVERSED
    if d.ours == 0:
        return Kind.MISSING_HERE
    if len(d.kinds) > 1 and d.theirs == d.ours * len(d.kinds):
        return Kind.TAKEN_TWICE
    return Kind.LINE_CHANGED if d.changed else Kind.AMOUNT_DIFFERS


def name_loose(line: Loose) -> Kind | None:
    """The name of a line that belongs to no operation; ``None`` for one that is about no payment: a fee, a payout, a
    reserve."""
    if line.kind == "other":
        return Kind.UNCLASSIFIED_LINE
    if line.kind not in PAYMENT_LINES:
        return None
    if line.payment_id is None:
        return Kind.UNKNOWN_PAYMENT
    if line.kind in ("chargeback", "chargeback_undone"):
        return Kind.CHARGEBACK
    return Kind.AMBIGUOUS if line.candidates > 1 else Kind.MISSING_HERE


class Totals(msgspec.Struct, frozen=True):
    """Both sides of a day, counts. ``unmatched``: lines that name nothing of ours, and our movements without a line."""

    ours: int
    theirs: int
    unmatched: int


#: Fewer differences than this are never suspicious.
SUSPECT_LEAST: Final = 1_000
SUSPECT_SHARE: Final = 0.05
#: A side with nothing is suspicious where the other has more than this.
EMPTY_SIDE: Final = 100


def doubt(totals: Totals) -> str | None:
    """Why the statement of a day is doubted as a whole: a wrong file, a changed column, half a file, a wrong zone.
    ``None`` where it is not."""
    larger, smaller = max(totals.ours, totals.theirs), min(totals.ours, totals.theirs)
    if smaller == 0 and larger > EMPTY_SIDE:
        side = "the statement" if totals.theirs == 0 else "our books"
        return f"{side} has nothing, the other side {larger}"
    allowed = max(SUSPECT_LEAST, round(larger * SUSPECT_SHARE))
    if totals.unmatched > allowed:
        return (
            f"{totals.unmatched} of {larger} have no counterpart; more than {allowed} is no day's work but a wrong file"
        )
    return None
