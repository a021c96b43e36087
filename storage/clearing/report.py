"""What the report of a day is made of: sums of both sides, fees, payouts, disputes, how ends were learnt, corrections."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Date, Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.naming import PAYMENT_LINES
from billing.ledger.accounts import clearing
from billing.vocabulary import LearntBy

#: Rows of one list.
LIMIT: Final = 10_000

_LINES: Final = "FROM statement_lines WHERE provider = :provider AND business_date = :day AND withdrawn_at IS NULL"
_KINDS: Final = ", ".join(f"'{kind}'" for kind in PAYMENT_LINES)
_OURS: Final = """
    FROM ledger_entries e
    WHERE e.account = :account AND e.posted_at >= :start AND e.posted_at < :end AND e.operation_id IS NOT NULL
"""
_TOTALS = text(
    f"""
    SELECT coalesce(o.currency, t.currency), coalesce(o.number, 0), coalesce(o.amount, 0)::bigint,
           coalesce(t.number, 0), coalesce(t.amount, 0)::bigint
    FROM (SELECT trim(e.currency) AS currency, count(DISTINCT e.operation_id) AS number, sum(e.amount) AS amount
          {_OURS} GROUP BY 1) o
    FULL JOIN (SELECT trim(currency) AS currency, count(*) AS number, sum(amount) AS amount
               {_LINES} AND kind IN ({_KINDS}) GROUP BY 1) t USING (currency)
    ORDER BY 1
    """  # noqa: S608 - of constants
)
_FEES = text(
    f"""
    SELECT coalesce(method, ''), trim(coalesce(settlement_currency, currency)), count(*),
           coalesce(sum(coalesce(settled, amount)) FILTER (WHERE kind = 'charge'), 0)::bigint,
           coalesce(sum(fee), 0)::bigint, coalesce(sum(fee_tax), 0)::bigint, count(*) FILTER (WHERE fee IS NULL)
    {_LINES} AND kind IN ({_KINDS}, 'fee') GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_PAYOUTS = text(
    f"""
    SELECT kind, coalesce(payout_ref, line_ref), amount, trim(currency), at, available_on
    {_LINES} AND kind IN ('payout', 'payout_failed') ORDER BY at, line_ref LIMIT :limit
    """
)
_CHARGEBACKS = text(
    f"""
    SELECT kind, payment_id, coalesce(provider_ref, order_ref, line_ref), amount, trim(currency), at
    {_LINES} AND kind IN ('chargeback', 'chargeback_undone') ORDER BY at, line_ref LIMIT :limit
    """
)
_LEARNT = text(
    f"""
    SELECT o.type, o.learnt_by, trim(e.currency), count(DISTINCT o.id), sum(e.amount)::bigint
    FROM operations o JOIN (SELECT e.operation_id, e.currency, e.amount {_OURS}) e ON e.operation_id = o.id
    WHERE o.learnt_by NOT IN ('{LearntBy.ANSWER}', '{LearntBy.CALLBACK}')
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """  # noqa: S608 - of constants
)
_FOUND: Final = """
    SELECT provider, business_date, kind, severity, state, trim(currency) AS currency, ours, theirs, opened_at, due_at, owner,
           resolution, confirm_by, payment_id, id,
           detail ->> 'their_currency' AS their_currency
    FROM discrepancies WHERE (CAST(:provider AS text) IS NULL OR provider = :provider)
"""
_OF_DAY = text(
    f"""
    {_FOUND} AND business_date = :day AND kind <> 'late'
    ORDER BY state = 'CLOSED', due_at NULLS LAST, opened_at, id LIMIT :limit
    """
)
_LATE = text(
    f"""
    {_FOUND} AND business_date <= :day AND kind = 'late' AND state <> 'CLOSED'
    ORDER BY business_date, opened_at, id LIMIT :limit
    """
)
_CLAIMS = text(f"{_FOUND} AND state = 'RESOLVED' ORDER BY confirm_by, opened_at, id LIMIT :limit")
_CORRECTIONS = text(
    """
    SELECT accounting_date, corrects_date, account, trim(currency), count(*), sum(amount)::bigint FROM ledger_entries
    WHERE accounting_date >= :day AND corrects_date IS NOT NULL AND (accounting_date = :day OR corrects_date = :day)
      AND (CAST(:provider AS text) IS NULL OR split_part(account, ':', 2) = :provider)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :limit
    """
).bindparams(bindparam("day", type_=Date))


class Bounds(NamedTuple):
    """A business day of a provider (UTC)."""

    provider: str
    day: date
    start: datetime
    end: datetime

    @property
    def values(self) -> dict[str, Any]:
        """As the statements take them."""
        return self._asdict() | {"account": str(clearing(self.provider)), "limit": LIMIT}


async def totals(connection: AsyncConnection, of: Bounds) -> Sequence[Row[Any]]:
    """Both sides of a day: currency, our movements and their sum, the statement's lines of payments and their sum."""
    return (await connection.execute(_TOTALS, of.values)).all()


async def fees(connection: AsyncConnection, of: Bounds) -> Sequence[Row[Any]]:
    """Fees by method: method, currency, lines, what was charged, fee, the tax in it, lines that do not tell their fee."""
    return (await connection.execute(_FEES, of.values)).all()


async def payouts(connection: AsyncConnection, of: Bounds) -> Sequence[Row[Any]]:
    """Lines of payouts: kind, reference, amount, currency, time, date of arrival."""
    return (await connection.execute(_PAYOUTS, of.values)).all()


async def chargebacks(connection: AsyncConnection, of: Bounds) -> Sequence[Row[Any]]:
    """Lines of disputes: kind, payment, reference, amount, currency, time."""
    return (await connection.execute(_CHARGEBACKS, of.values)).all()


async def learnt_otherwise(connection: AsyncConnection, of: Bounds) -> Sequence[Row[Any]]:
    """Movements whose end neither an answer nor a callback told: type, how it was learnt, currency, number, sum."""
    return (await connection.execute(_LEARNT, of.values)).all()


async def discrepancies_of_day(connection: AsyncConnection, day: date, provider: str | None) -> Sequence[Row[Any]]:
    """What was found on a day, what is open first."""
    return await _found(connection, _OF_DAY, day, provider)


async def late(connection: AsyncConnection, day: date, provider: str | None) -> Sequence[Row[Any]]:
    """Movements up to a day that are in no statement yet."""
    return await _found(connection, _LATE, day, provider)


async def unconfirmed(connection: AsyncConnection, day: date, provider: str | None) -> Sequence[Row[Any]]:
    """What people decided and no statement has confirmed yet, of all days."""
    return await _found(connection, _CLAIMS, day, provider)


async def corrections(connection: AsyncConnection, day: date, provider: str | None) -> Sequence[Row[Any]]:
    """Late entries on a day of the books, and those of it on later days: accounting date, the day that they correct,
    account, currency, entries, sum."""
    return await _found(connection, _CORRECTIONS, day, provider)


async def _found(connection: AsyncConnection, statement: Any, day: date, provider: str | None) -> Sequence[Row[Any]]:
    values = {"day": day, "provider": provider, "limit": LIMIT}
    return (await connection.execute(statement, values)).all()
