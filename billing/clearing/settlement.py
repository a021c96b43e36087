"""What clearing books: fees, payouts, reserves and corrections of a provider's statement, money that was exchanged, and
what nobody can explain yet. Pure: from what a statement says follows what the ledger is to hold, and the difference to what
it holds is posted. So a repeat posts nothing, and a line that changes later posts the change alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid5

import msgspec

from billing.clearing.discrepancies import FINAL_RESOLUTIONS, Resolution, State
from billing.ledger.accounts import Account, AccountKind, clearing
from billing.ledger.postings import Cause, CauseKind, Entry, Posting

_NAMESPACE: Final = UUID("5b7f7b0e-61a4-4a0e-8a43-7b1d2d3c9f10")

_FEE: Final = "fee"
_EXCHANGE: Final = "exchange"

Balances = Counter[tuple[Account, str]]
"""Account and currency → minor units, debit positive."""

#: Kinds of lines that move money at the provider for no payment → the account on the other side.
COUNTERPARTS: Final[Mapping[str, AccountKind]] = MappingProxyType(
    {
        _FEE: AccountKind.FEES,
        "adjustment": AccountKind.ADJUSTMENTS,
        "payout": AccountKind.TRANSIT,
        "payout_failed": AccountKind.TRANSIT,
        "reserve": AccountKind.RESERVE,
        "release": AccountKind.RESERVE,
    }
)


class Total(msgspec.Struct, frozen=True):
    """What the lines of one kind, method and pair of currencies of a business day add up to, in signed minor units:
    positive where the provider owes us more. ``amount``: in ``currency``, that of the payments; ``settled``: in
    ``settlement_currency``, the same where nothing was exchanged, as are ``fee``, which the provider kept of them, and
    ``fee_tax``, which is part of it. ``method``: empty where the lines have none."""

    kind: str
    method: str
    currency: str
    settlement_currency: str
    lines: int
    amount: int
    settled: int
    fee: int
    fee_tax: int


def of_statement(provider: str, day: date, totals: Iterable[Total]) -> dict[Cause, Balances]:
    """What the ledger is to hold for a business day's statement, by cause: also nothing, where lines are gone. What
    payments move is not part of it: they post it themselves."""
    wanted: dict[str, Balances] = {what: Counter() for what in (*COUNTERPARTS, _EXCHANGE)}
    for total in totals:
        for what, account, currency, amount in _moved(provider, total):
            wanted[what][account, currency] += amount
            wanted[what][clearing(provider), currency] -= amount
    return {Cause(CauseKind.STATEMENT, f"{provider}/{day}/{what}"): lines for what, lines in wanted.items()}


def _moved(provider: str, total: Total) -> Iterable[tuple[str, Account, str, int]]:
    """What is posted, the account, currency and amount; the provider's clearing account has the other side."""
    currency = total.settlement_currency
    counterpart = COUNTERPARTS.get(total.kind)
    if counterpart is not None:
        yield total.kind, Account(counterpart, provider), currency, -total.settled
    elif total.currency != currency:
        exchanged = Account(AccountKind.FX, provider)
        yield _EXCHANGE, exchanged, total.currency, total.amount
        yield _EXCHANGE, exchanged, currency, -total.settled
    yield _FEE, Account(AccountKind.FEES, provider), currency, total.fee - total.fee_tax
    yield _FEE, Account(AccountKind.FEE_TAX, provider), currency, total.fee_tax


class Unexplained(msgspec.Struct, frozen=True):
    """A discrepancy as the books see it. Amounts in signed minor units; ``theirs``: ``None`` where the provider has no
    line; ``their_currency``: where it differs."""

    state: State
    resolution: Resolution | None
    currency: str | None
    ours: int | None
    theirs: int | None
    their_currency: str | None


def of_discrepancy(provider: str, d: Unexplained) -> Balances:
    """What the ledger is to hold for a discrepancy. While it is open, ``suspense`` holds what the provider's lines say and
    the books do not; a movement without lines is no more than awaited. Written off or accepted, it is an adjustment."""
    is_final = d.state is State.CLOSED and d.resolution in FINAL_RESOLUTIONS
    is_open = d.state in (State.OPEN, State.PERSON, State.RESOLVED)
    lines: Balances = Counter()
    if d.currency is None or not (is_final or (is_open and d.theirs is not None)):
        return lines
    account = Account(AccountKind.ADJUSTMENTS if is_final else AccountKind.SUSPENSE, provider)
    for currency, amount in ((d.their_currency or d.currency, d.theirs or 0), (d.currency, -(d.ours or 0))):
        lines[clearing(provider), currency] += amount
        lines[account, currency] -= amount
    return lines


def postings(cause: Cause, wanted: Balances, posted: Balances, number: int, now: datetime) -> list[Posting]:
    """What is to be posted for a cause, a posting for each currency. ``posted``: what the ledger holds for it, by
    ``number`` postings."""
    left = Counter(wanted)
    left.subtract(posted)
    found = []
    for currency in sorted({currency for (_, currency), amount in left.items() if amount}):
        lines = sorted((str(a), Entry(a, amount)) for (a, c), amount in left.items() if c == currency and amount)
        id = uuid5(_NAMESPACE, f"{cause.kind}|{cause.id}|{currency}|{number}")
        found.append(Posting(id, cause, currency, now, tuple(entry for _, entry in lines)))
    return found
