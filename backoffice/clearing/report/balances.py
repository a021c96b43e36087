"""The sections about what a provider holds for us. Amounts are signed: positive, the provider owes us more."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.clearing.report import heads
from backoffice.clearing.report.model import Section
from reconciliation.clearing.closing import Readiness
from storage.clearing import totals
from storage.clearing.report import Bounds


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
    return heads.ROLL_FORWARD.of(tuple(rows))


def tie_out(found: Readiness | None, provider: str | None) -> Section:
    """What explains the difference between the books and the statements."""
    one_of = [] if found is None else [one for one in found.tie_outs if provider in (None, one.provider)]
    return heads.TIE_OUT.of(tuple(
            (
                one.provider, one.currency, one.ours, one.theirs, one.opening, one.awaited, one.booked_later,
                one.unexplained,
            )
            for one in one_of
        ), calls=any(one.unexplained for one in one_of))  # fmt: skip
