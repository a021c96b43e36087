"""The sections about what a provider holds for us. Amounts are signed: positive, the provider owes us more."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.clearing.report.model import Cell, Column, Section
from reconciliation.clearing.closing import Readiness
from storage.clearing import totals
from storage.clearing.report import Bounds

_PROVIDER: Final = Column("provider", Cell.ID)
_CURRENCY: Final = Column("currency", Cell.ID)


async def roll_forward(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """How a day changed what each provider holds, by its statement."""
    rows = []
    for of in bounds:
        before = await totals.held(connection, of.provider, of.day - timedelta(days=1))
        moved: dict[str, Counter[str]] = {}
        for total in await totals.of_day(connection, of.provider, of.day):
            sums = moved.setdefault(total.settlement_currency, Counter())
            sums[total.kind.replace("_", " ")] += total.settled
            sums["fees of lines"] -= total.fee
        for currency in sorted(before.keys() | moved.keys()):
            opening, sums = before.get(currency, 0), moved.get(currency, Counter())
            rows.append((of.provider, currency, "held before", opening))
            rows += [(of.provider, currency, what, amount) for what, amount in sorted(sums.items()) if amount]
            rows.append((of.provider, currency, "held after", opening + sum(sums.values())))
    return Section(
        "roll_forward",
        "What the providers hold",
        "By all statements that were read, in the currency of the settlement: before the day, what its lines changed,"
        " and after it.",
        "No statement was read.",
        (_PROVIDER, _CURRENCY, Column("what"), Column("amount", Cell.MONEY)),
        tuple(rows),
    )


def tie_out(found: Readiness | None, provider: str | None) -> Section:
    """What explains the difference between the books and the statements."""
    one_of = [] if found is None else [one for one in found.tie_outs if provider in (None, one.provider)]
    return Section(
        "tie_out",
        "Tie-out",
        "Our clearing account at the end of the day of the books is what the provider holds by its statements, plus what"
        " was booked before clearing began, plus movements that a later statement has, less lines that the books have on"
        " a later day. What is left is unexplained, and keeps the day open.",
        "Nothing to tie out.",
        (
            _PROVIDER,
            _CURRENCY,
            *(
                Column(name, Cell.MONEY)
                for name in ("our books", "statements", "before clearing", "awaited", "booked later", "unexplained")
            ),
        ),
        tuple(
            (
                one.provider, one.currency, one.ours, one.theirs, one.opening, one.awaited, one.booked_later,
                one.unexplained,
            )
            for one in one_of
        ),
        calls=any(one.unexplained for one in one_of),
    )  # fmt: skip
