"""The record of a closed day, and the chain of hashes that holds all of them."""

from datetime import date, datetime
from hashlib import sha256

import msgspec

from billing.ledger.tie_out import TieOut
from billing.ledger.trial_balance import AccountBalance


class ClosedDay(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a closed day. ``closed_at``: UTC; ``entries``: how many have its accounting date; ``tie_outs``: what
    explained each provider's balance.

    ``format`` grows when a field is added: the bytes of days closed before stay as they were written.
    """

    accounting_date: date
    closed_at: datetime
    closed_by: str
    reason: str
    entries: int
    accounts: tuple[AccountBalance, ...]
    tie_outs: tuple[TieOut, ...] = ()
    format: int = 2


def canonical(day: ClosedDay) -> bytes:
    """The same bytes for the same record: JSON in UTF-8 without white space, members in the order of their names."""
    return msgspec.json.encode(day, order="sorted")


def chained(previous: bytes | None, content: bytes) -> bytes:
    """The hash of a day: SHA-256 over the hash of the day before, none for the first, and the day's canonical bytes."""
    return sha256((previous or b"") + content).digest()
