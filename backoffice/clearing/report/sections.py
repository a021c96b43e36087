"""The sections of the report, in the order of ``build.py``. Amounts are signed: positive, the provider owes us more."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.clearing.closing import DayBalance
from backoffice.clearing.report import heads
from backoffice.clearing.report.model import Section
from backoffice.clearing.runs import DayState, DayStatus
from backoffice.clearing.stuck import StuckBy
from billing.clearing.discrepancies import State
from billing.money import Money
from billing.sentence import Code, Sentence
from storage.clearing import report
from storage.clearing.report import Bounds


def providers(bounds: Sequence[Bounds], days: Sequence[DayStatus]) -> Section:
    """How the day stands at each provider."""
    known = {day.provider: day for day in days}
    rows = []
    for of in bounds:
        day = known.get(of.provider)
        state = "not run" if day is None else {DayState.DONE: "cleared"}.get(day.state, str(day.state))
        ran = {} if day is None else day.ran
        rows.append(
            (
                of.provider, of.start, of.end, state, None if day is None else day.finished_at, ran.get("lines", 0),
                ran.get("movements", 0), None if day is None else day.reason,
            )
        )  # fmt: skip
    return heads.PROVIDERS.of(
        tuple(rows), calls=any(day.state is not DayState.DONE for day in days) or len(known) < len(bounds)
    )


async def totals(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Both sides of the day by currency."""
    rows = [
        (of.provider, currency, number, ours, lines, theirs, theirs - ours)
        for of, (currency, number, ours, lines, theirs) in await _each(connection, bounds, report.totals)
    ]
    return heads.TOTALS.of(tuple(rows))


def trial_balance(balance: DayBalance | None) -> Section:
    """Every account over the day."""
    accounts = () if balance is None else balance.accounts
    rows = tuple((row.account, row.currency, row.opening, row.debit, row.credit, row.closing) for row in accounts)
    return heads.TRIAL_BALANCE.of(rows)


def _found(row: Row[Any], now: datetime) -> tuple[Any, ...]:
    kind, theirs = row.kind.replace("_", " "), row.theirs
    if row.their_currency is not None and theirs is not None:
        theirs_is = Money(theirs, row.their_currency)
        kind, theirs = Sentence("%(kind)s: theirs is %(amount)s", kind=Code(kind), amount=theirs_is), None
    return (
        row.provider, row.business_date, kind, row.state.lower(), row.ours, theirs, row.currency,
        (now - row.opened_at).days, row.due_at, row.owner, row.payment_id, row.id,
    )  # fmt: skip


async def discrepancies(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """What was found on the day."""
    found = await report.discrepancies_of_day(connection, day, provider)
    return heads.DISCREPANCIES.of(
        tuple(_found(row, now) for row in found), calls=any(row.state in (State.OPEN, State.PERSON) for row in found)
    )


async def late(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """The timing list."""
    found = await report.late(connection, day, provider)
    return heads.LATE.of(tuple(_found(row, now) for row in found))


async def unconfirmed(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """Claims."""
    found = await report.unconfirmed(connection, day, provider)
    rows = tuple(
        (*_found(row, now)[:7], row.resolution.replace("_", " "), row.confirm_by, row.owner, row.payment_id, row.id)
        for row in found
    )
    return heads.UNCONFIRMED.of(rows)


async def fees(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Fees by method."""
    rows = []
    for of, (method, currency, lines, charged, fee, tax, untold) in await _each(connection, bounds, report.fees):
        rate = f"{100 * fee / charged:.2f} %" if charged > 0 and untold < lines else ""
        rows.append((of.provider, method or Sentence("not told"), currency, lines, charged, fee, tax, rate, untold))
    return heads.FEES.of(tuple(rows))


async def payouts(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Payouts."""
    rows = [
        (of.provider, kind.replace("_", " "), ref, amount, currency, at, arrives)
        for of, (kind, ref, amount, currency, at, arrives) in await _each(connection, bounds, report.payouts)
    ]
    return heads.PAYOUTS.of(tuple(rows))


async def chargebacks(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Disputes."""
    rows = [
        (of.provider, kind.replace("_", " "), payment, ref, amount, currency, at)
        for of, (kind, payment, ref, amount, currency, at) in await _each(connection, bounds, report.chargebacks)
    ]
    return heads.CHARGEBACKS.of(tuple(rows), calls=any(row[1] == "chargeback" for row in rows))


async def lost_callbacks(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Movements that nobody told us of."""
    rows = [
        (of.provider, type.lower(), learnt_by.lower(), number, amount, currency)
        for of, (type, learnt_by, currency, number, amount) in await _each(connection, bounds, report.learnt_otherwise)
    ]
    return heads.LOST_CALLBACKS.of(tuple(rows))


def stuck(found: Sequence[StuckBy]) -> Section:
    """What is stuck."""
    rows = tuple(
        (
            Code(one.rule), one.provider, one.payment_id or one.subject, one.since, one.amount, one.currency, one.asked_by,
            "yes" if one.needs_person else "",
        )
        for one in found
    )  # fmt: skip
    return heads.STUCK.of(rows, calls=any(one.needs_person for one in found))


async def corrections(connection: AsyncConnection, day: date, provider: str | None) -> Section:
    """Late entries."""
    rows = tuple(tuple(row) for row in await report.corrections(connection, day, provider))
    return heads.CORRECTIONS.of(rows)


async def _each(
    connection: AsyncConnection,
    bounds: Sequence[Bounds],
    ask: Callable[[AsyncConnection, Bounds], Awaitable[Sequence[Row[Any]]]],
) -> list[tuple[Bounds, tuple[Any, ...]]]:
    """The rows of every provider."""
    return [(of, tuple(row)) for of in bounds for row in await ask(connection, of)]
