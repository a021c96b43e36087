"""What a business day adds up to: in our books, in the statement, and by how operations' ends were learnt. Sums only: a
day of a million lines is a few rows."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.accounts import clearing
from billing.messages.clearing_events import BookedTotal, StatementTotal
from billing.vocabulary import LearntBy

#: How the end of an operation was learnt where neither an answer nor a callback told it.
NOT_TOLD: Final = (LearntBy.INQUIRY, LearntBy.STATEMENT, LearntBy.OPERATOR)

#: An event has to fit into a message of Kafka, 1 MB; a day of several methods and currencies has some hundred.
TOTALS_MAX: Final = 2_000

_BOOKED = text(
    """
    SELECT trim(currency), count(DISTINCT operation_id), sum(amount)::bigint FROM ledger_entries
    WHERE account = :account AND source = 'payment' AND posted_at >= :start AND posted_at < :end
    GROUP BY 1 ORDER BY 1
    """
)
# By the clocks of the provider's zone, a business day is the date of the moment less its cut-off.
_STATED = text(
    """
    SELECT l.kind, trim(l.currency), count(*), sum(l.amount)::bigint, trim(coalesce(l.settlement_currency, l.currency)),
           sum(coalesce(l.settled, l.amount))::bigint, l.method, sum(l.fee)::bigint, CAST(:day AS date) - booked.day
    FROM statement_lines l
    LEFT JOIN LATERAL (
        SELECT (min(e.posted_at) AT TIME ZONE :zone - CAST(:cut_off AS interval))::date AS day FROM ledger_entries e
        WHERE e.operation_id = l.operation_id AND e.account = :account
    ) booked ON true
    WHERE l.provider = :provider AND l.business_date = :day AND l.withdrawn_at IS NULL
    GROUP BY l.kind, l.method, l.currency, 5, l.fee IS NULL, booked.day
    ORDER BY l.kind, l.method, l.currency, 5, l.fee IS NULL, booked.day
    """
)
_NOT_TOLD = text(
    """
    SELECT learnt_by, count(*) FROM operations
    WHERE provider = :provider AND learnt_by IN ('inquiry', 'statement', 'operator')
      AND type NOT IN ('CHARGEBACK', 'CHARGEBACK_UNDONE')
      AND coalesce(occurred_at, created_at) >= :start AND coalesce(occurred_at, created_at) < :end
    GROUP BY 1 ORDER BY 1
    """
)
_PAYOUTS = text(
    """
    SELECT kind, line_ref, occurrence, trim(coalesce(settlement_currency, currency)), coalesce(settled, amount),
           at, payout_ref, fee, available_on, withdrawn_at IS NOT NULL
    FROM statement_lines
    WHERE provider = :provider AND business_date = :day AND kind IN ('payout', 'payout_failed')
    ORDER BY line_ref, occurrence
    """
)


class PayoutLine(msgspec.Struct, frozen=True):
    """A payout's line. ``amount``: signed minor units of ``currency``; ``at``: UTC."""

    kind: Literal["payout", "payout_failed"]
    line_ref: str
    occurrence: int
    currency: str
    amount: int
    at: datetime
    payout_ref: str | None
    fee: int | None
    available_on: date | None
    withdrawn: bool


async def booked(connection: AsyncConnection, provider: str, start: datetime, end: datetime) -> tuple[BookedTotal, ...]:
    """What payments moved at the provider from ``start`` to ``end`` (UTC), by currency."""
    values = {"account": str(clearing(provider)), "start": start, "end": end}
    return tuple([BookedTotal(*row) for row in await connection.execute(_BOOKED, values)])


async def stated(
    connection: AsyncConnection, provider: str, day: date, zone: str, cut_off: time
) -> tuple[StatementTotal, ...]:
    """What the lines of a day add up to. ``zone``, ``cut_off``: when the provider's day begins."""
    values = {
        "provider": provider,
        "account": str(clearing(provider)),
        "day": day,
        "zone": zone,
        "cut_off": timedelta(hours=cut_off.hour, minutes=cut_off.minute, seconds=cut_off.second),
    }
    return bounded([StatementTotal(*row) for row in await connection.execute(_STATED, values)])


def bounded(totals: Sequence[StatementTotal]) -> tuple[StatementTotal, ...]:
    """At most :data:`TOTALS_MAX`: where there are more, they are added up without their method, then without their delay
    too."""
    for given_up in ({}, {"method": None}, {"method": None, "delay_days": None}):
        found = _added_up([msgspec.structs.replace(total, **given_up) for total in totals])
        if len(found) <= TOTALS_MAX:
            break
    return found


def _added_up(totals: Sequence[StatementTotal]) -> tuple[StatementTotal, ...]:
    sums: dict[Any, StatementTotal] = {}
    for t in totals:
        key = (t.kind, t.method, t.currency, t.settlement_currency, t.delay_days, t.fee is None)
        before = sums.get(key)
        sums[key] = (
            t
            if before is None
            else msgspec.structs.replace(
                t,
                lines=before.lines + t.lines,
                amount=before.amount + t.amount,
                settled=before.settled + t.settled,
                fee=None if t.fee is None or before.fee is None else before.fee + t.fee,
            )
        )
    return tuple(sums.values())


async def not_told(connection: AsyncConnection, provider: str, start: datetime, end: datetime) -> dict[str, int]:
    """How many operations between ``start`` and ``end`` (UTC) ended without a callback or an answer, by how that was
    learnt. Of a chargeback no provider calls back."""
    rows = await connection.execute(_NOT_TOLD, {"provider": provider, "start": start, "end": end})
    return {row[0]: row[1] for row in rows}


async def payouts(connection: AsyncConnection, provider: str, day: date) -> list[PayoutLine]:
    """The payouts of a day's statement, withdrawn ones too."""
    return [PayoutLine(*row) for row in await connection.execute(_PAYOUTS, {"provider": provider, "day": day})]
