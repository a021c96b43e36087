"""What the trial balance of a day is made of."""

from datetime import date
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.closed_day import ClosedDay
from billing.ledger.trial_balance import Key, Turnover, closing_balances

#: Entries without a date are older than the books' first day.
_BEFORE = text(
    """
    SELECT account, trim(currency), sum(amount)::bigint FROM ledger_entries
    WHERE accounting_date < :until OR accounting_date IS NULL GROUP BY 1, 2
    """
).bindparams(bindparam("until", type_=Date))
_AFTER = text(
    """
    SELECT account, trim(currency), sum(amount)::bigint FROM ledger_entries
    WHERE accounting_date > :since AND accounting_date < :until GROUP BY 1, 2
    """
).bindparams(bindparam("since", type_=Date), bindparam("until", type_=Date))
_TURNOVER = text(
    """
    SELECT account, trim(currency), coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::bigint,
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)::bigint, count(*)
    FROM ledger_entries WHERE accounting_date = :day GROUP BY 1, 2
    """
).bindparams(bindparam("day", type_=Date))
_CLOSED = text("SELECT accounting_date, content::text, hash FROM closed_days WHERE accounting_date = :day").bindparams(
    bindparam("day", type_=Date)
)
_LAST = text(
    """
    SELECT accounting_date, content::text, hash FROM closed_days WHERE accounting_date <= coalesce(:until, DATE 'infinity')
    ORDER BY accounting_date DESC LIMIT 1
    """
).bindparams(bindparam("until", type_=Date))
_decode: Final = msgspec.json.Decoder(ClosedDay).decode


class Link(NamedTuple):
    """A closed day and its hash."""

    day: ClosedDay
    hash: bytes


async def closed_day(connection: AsyncConnection, day: date) -> Link | None:
    """The record of a day, ``None`` where it is not closed."""
    row = (await connection.execute(_CLOSED, {"day": day})).one_or_none()
    return None if row is None else Link(_decode(row[1]), row[2])


async def last_closed(connection: AsyncConnection, until: date | None = None) -> Link | None:
    """The record of the last day that was closed. ``until``: days after it do not count."""
    row = (await connection.execute(_LAST, {"until": until})).one_or_none()
    return None if row is None else Link(_decode(row[1]), row[2])


async def opening_balances(connection: AsyncConnection, last: Link | None, day: date) -> dict[Key, int]:
    """What the accounts held before ``day``, minor units. ``last``: the last closed day, which must be before it."""
    if last is None:
        rows = await connection.execute(_BEFORE, {"until": day})
        return {(account, currency): balance for account, currency, balance in rows}
    balances = closing_balances(last.day.accounts)
    values = {"since": last.day.accounting_date, "until": day}
    for account, currency, moved in await connection.execute(_AFTER, values):
        balances[account, currency] = balances.get((account, currency), 0) + moved
    return balances


async def turnover(connection: AsyncConnection, day: date) -> tuple[dict[Key, Turnover], int]:
    """What the entries of ``day`` add up to on each account, and how many they are."""
    rows = (await connection.execute(_TURNOVER, {"day": day})).all()
    sums = {(account, currency): Turnover(debit, credit) for account, currency, debit, credit, _ in rows}
    return sums, sum(row[-1] for row in rows)
