"""A provider's record of a business day: lines, read in parts and pages."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from uuid import UUID

import msgspec

#: The stretch of a day that one part of a list covers.
PART_WINDOW: Final = timedelta(hours=1)


class LineKind(StrEnum):
    """What a line is about. ``refund_undone``: a refund came back; ``chargeback_undone``: a chargeback was won or
    reversed; ``reserve``, ``release``: money that the provider holds back, and lets go; ``other``: a row of a type that
    we do not know."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_UNDONE = "refund_undone"
    CHARGEBACK = "chargeback"
    CHARGEBACK_UNDONE = "chargeback_undone"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    PAYOUT = "payout"
    PAYOUT_FAILED = "payout_failed"
    RESERVE = "reserve"
    RELEASE = "release"
    OTHER = "other"


#: What the provider owes us less for. A source may state these amounts with or without the sign.
LESSENING: Final = frozenset({LineKind.REFUND, LineKind.CHARGEBACK, LineKind.FEE, LineKind.PAYOUT, LineKind.RESERVE})


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the provider's own record.

    ``line_ref``: the provider's id of the row, the same at every reading; where it gives none, a digest of the row, which
    equal rows share. ``own_id``: our operation's id, where the provider echoes it. ``order_ref``: its name of the order;
    ``provider_ref``: of the operation; ``aliases``: further ids of either. Amounts in minor units, positive where the
    provider owes us more. ``amount``: in ``currency``, that of the payment. ``settled``: the same in
    ``settlement_currency``; ``None``: there is no other currency. ``fee``: what the provider kept for itself, tax
    included, in the settlement currency; negative: it gave that back; ``None``: not told. ``fee_tax``: the tax in it. So
    the balance at the provider moved by ``(amount if settled is None else settled) - (fee or 0)``. ``at``: when it
    happened, with its zone. ``available_on``: when the money can be paid out. ``status``, ``raw_type``: in the
    provider's words. ``test``: no real money.
    """

    kind: LineKind
    line_ref: str
    amount: int
    currency: str
    at: datetime
    own_id: UUID | None = None
    order_ref: str | None = None
    provider_ref: str | None = None
    aliases: tuple[str, ...] = ()
    settled: int | None = None
    settlement_currency: str | None = None
    fee: int | None = None
    fee_tax: int | None = None
    available_on: date | None = None
    payout_ref: str | None = None
    method: str | None = None
    status: str | None = None
    raw_type: str | None = None
    test: bool = False

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a line's time needs its zone")

    @property
    def balance(self) -> int:
        """By how much what the provider holds for us changed, minor units of the settlement currency."""
        return (self.amount if self.settled is None else self.settled) - (self.fee or 0)


class Part(msgspec.Struct, frozen=True):
    """A part of a day's statement that is read by itself. ``list``: of the provider's; ``filters``: what of it."""

    day: date
    list: str
    filters: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Its name, unique in the day."""
        return " ".join((self.list, *self.filters.values()))


class StatementPage(msgspec.Struct, frozen=True):
    """Lines in the order of the source. ``next``: the cursor to go on from; ``None`` on the part's last page."""

    lines: tuple[StatementLine, ...]
    next: str | None = None


class StatementUnavailable(Exception):
    """A day's statement cannot be fetched or read now, for ``reason``. This is no evidence about money."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The windows of a day, half open: an edge belongs to the later one."""
    edges = [start]
    while edges[-1] < end:
        edges.append(min(edges[-1] + PART_WINDOW, end))
    return list(pairwise(edges))
