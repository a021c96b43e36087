"""Closing a day: from then on Postgres refuses entries into it, and its record is a link of a chain of hashes."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import Date, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.accounts import clearing
from billing.ledger.closed_day import ClosedDay, canonical, chained
from billing.ledger.tie_out import TieOut
from billing.ledger.trial_balance import closing_balances, trial_balance
from billing.messages.clearing_events import DayClosed
from runtime.postgres import sqlstate
from storage.books.trial_balance import Link, last_closed, opening_balances, turnover
from storage.clearing import events

#: Every insert into the ledger shares this advisory lock until its transaction ends (migration 0025).
LEDGER_LOCK: Final = 0x636C6F73
#: How long closing waits for inserts under way. Inserts that come meanwhile wait as long, and payments with them.
LOCK_TIMEOUT: Final = "2s"
#: A process that stops while it holds the lock is cut off: payments wait for it.
IDLE_TIMEOUT: Final = "10s"
_LOCK_NOT_AVAILABLE: Final = "55P03"
_NAMESPACE: Final = UUID("1b0a4f6e-2c39-4d57-9c0e-7a4f0d2b8e31")

_PERIOD = text("SELECT zone, first_open, clock_timestamp() FROM accounting_period")
_BOUNDS = text(
    f"SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}', true),"
    f" set_config('idle_in_transaction_session_timeout', '{IDLE_TIMEOUT}', true),"
    # The planner's statistics do not know the day yet: it would sort a million entries for a handful of accounts.
    " set_config('enable_sort', 'off', true)"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_CLOSE = text(
    "INSERT INTO closed_days (accounting_date, content, prev_hash, hash)"
    " VALUES (:day, CAST(:content AS json), :prev_hash, :hash)"
).bindparams(bindparam("day", type_=Date))
_MOVE_ON = text("UPDATE accounting_period SET first_open = first_open + 1")


class CannotClose(Exception):
    """The day is not closed now; nothing was changed. The message says why."""


class LedgerBusy(CannotClose):
    """A transaction that wrote to the ledger stayed open for longer than :data:`LOCK_TIMEOUT`: try again."""


class Period(NamedTuple):
    """``zone``: whose dates the books use; ``first_open``: the first day that is not closed; ``now``: by Postgres' clock."""

    zone: str
    first_open: date
    now: datetime

    @property
    def today(self) -> date:
        """The date in the books' zone."""
        return self.now.astimezone(ZoneInfo(self.zone)).date()


async def period(connection: AsyncConnection) -> Period:
    """Which days are open."""
    return Period(*(await connection.execute(_PERIOD)).one())


async def close_day(
    connection: AsyncConnection, day: date, by: str, reason: str, tie_outs: Sequence[TieOut] = ()
) -> Link:
    """Close the first open day, in the caller's READ COMMITTED transaction, which should end soon: payments that move
    money wait for it. Everything inserted before is part of the day, everything inserted later belongs to the next one.
    ``tie_outs``: of the day, kept with it.

    Raises :class:`CannotClose` for another day, for one that is not over, and where something was booked on the day since
    ``tie_outs`` were made; and
    :class:`~billing.errors.InvariantBroken` where the books do not balance.
    """
    require_closable(await period(connection), day)
    last = await last_closed(connection)
    # No entry can come before the first open day any more: read without the lock.
    opening = await opening_balances(connection, last, day)
    await connection.execute(_BOUNDS)
    try:
        await connection.execute(_LOCK, {"key": LEDGER_LOCK})
    except DBAPIError as error:
        if sqlstate(error) == _LOCK_NOT_AVAILABLE:
            raise LedgerBusy(f"a transaction has been writing to the ledger for more than {LOCK_TIMEOUT}") from error
        raise
    # Somebody else may have closed it while this waited.
    now_open = await period(connection)
    require_closable(now_open, day)
    moved, entries = await turnover(connection, day)
    closed = ClosedDay(
        accounting_date=day,
        closed_at=now_open.now,
        closed_by=by,
        reason=reason,
        entries=entries,
        accounts=trial_balance(opening, moved),
        tie_outs=tuple(tie_outs),
    )
    balances = closing_balances(closed.accounts)
    for one in tie_outs:
        if balances.get((str(clearing(one.provider)), one.currency), 0) != one.ours:
            raise CannotClose(f"{one.provider}: something was booked on {day} meanwhile; try again")
    previous = None if last is None else last.hash
    content = canonical(closed)
    link = Link(closed, chained(previous, content))
    values = {"day": day, "content": content.decode(), "prev_hash": previous, "hash": link.hash}
    await connection.execute(_CLOSE, values)
    await connection.execute(_MOVE_ON)
    told = DayClosed(
        id=uuid5(_NAMESPACE, str(day)), version=1, changed_at=now_open.now, accounting_date=day, closed_by=by,
        reason=reason, entries=entries, hash=link.hash.hex(),
    )  # fmt: skip
    await events.add(connection, [told])
    return link


def require_closable(period: Period, day: date) -> None:
    """Raise :class:`CannotClose` unless ``day`` is the first open one, and over."""
    if day < period.first_open:
        raise CannotClose(f"{day} is closed already; the first open day is {period.first_open}")
    if day > period.first_open:
        raise CannotClose(f"days are closed in order: {period.first_open} is open")
    if day >= period.today:
        raise CannotClose(f"{day} is not over: it is {period.today} in {period.zone}")
