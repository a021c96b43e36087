"""The sections of the report, in the order of ``build.py``. Amounts are signed: positive, the provider owes us more."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.clearing.closing import DayBalance
from backoffice.clearing.report.model import Cell, Column, Section
from backoffice.clearing.runs import DayState, DayStatus
from backoffice.clearing.stuck import StuckBy
from billing.clearing.discrepancies import State
from billing.money import Money
from storage.clearing import report
from storage.clearing.report import Bounds

_PROVIDER: Final = Column("provider", Cell.ID)
_CURRENCY: Final = Column("currency", Cell.ID)
_PAYMENT: Final = Column("payment", Cell.ID)


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
    return Section(
        "providers",
        "How the day stands",
        "The business day of each provider, and the run that compared its statement with the books.",
        "There is no provider.",
        (
            _PROVIDER,
            Column("from", Cell.MOMENT),
            Column("until", Cell.MOMENT),
            Column("state"),
            Column("cleared at", Cell.MOMENT),
            Column("lines", Cell.NUMBER),
            Column("movements", Cell.NUMBER),
            Column("why"),
        ),
        tuple(rows),
        calls=any(day.state is not DayState.DONE for day in days) or len(known) < len(bounds),
    )


async def totals(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Both sides of the day by currency."""
    rows = [
        (of.provider, currency, number, ours, lines, theirs, theirs - ours)
        for of, (currency, number, ours, lines, theirs) in await _each(connection, bounds, report.totals)
    ]
    return Section(
        "totals",
        "Both sides",
        "What the books moved at the provider on its business day, and what its statement says of payments. What differs"
        " is late or a discrepancy below, or was booked on another day.",
        "Nothing moved.",
        (
            _PROVIDER,
            _CURRENCY,
            Column("our movements", Cell.NUMBER),
            Column("ours", Cell.MONEY),
            Column("their lines", Cell.NUMBER),
            Column("theirs", Cell.MONEY),
            Column("difference", Cell.MONEY),
        ),
        tuple(rows),
    )


def trial_balance(balance: DayBalance | None) -> Section:
    """Every account over the day."""
    accounts = () if balance is None else balance.accounts
    rows = tuple((row.account, row.currency, row.opening, row.debit, row.credit, row.closing) for row in accounts)
    return Section(
        "trial_balance",
        "Trial balance",
        "Every account over the day of the books; all together are zero in each currency. An open day may still change.",
        "The books have no such day.",
        (
            Column("account", Cell.ID),
            _CURRENCY,
            *(Column(name, Cell.MONEY) for name in ("opening", "debit", "credit", "closing")),
        ),
        rows,
    )


_FOUND: Final = (
    _PROVIDER,
    Column("found on", Cell.DATE),
    Column("kind"),
    Column("state"),
    Column("ours", Cell.MONEY),
    Column("theirs", Cell.MONEY),
    _CURRENCY,
    Column("age, days", Cell.NUMBER),
    Column("due", Cell.MOMENT),
    Column("owner", Cell.ID),
    _PAYMENT,
    Column("id", Cell.ID),
)


def _found(row: Row[Any], now: datetime) -> tuple[Any, ...]:
    kind, theirs = row.kind.replace("_", " "), row.theirs
    if row.their_currency is not None and theirs is not None:
        kind, theirs = f"{kind}: theirs is {Money(theirs, row.their_currency)}", None
    return (
        row.provider, row.business_date, kind, row.state.lower(), row.ours, theirs, row.currency,
        (now - row.opened_at).days, row.due_at, row.owner, row.payment_id, row.id,
    )  # fmt: skip


async def discrepancies(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """What was found on the day."""
    found = await report.discrepancies_of_day(connection, day, provider)
    return Section(
        "discrepancies",
        "Discrepancies",
        "What differed on this day, what is open first. Each closes when both sides agree, or by a person's decision.",
        "Statement and books agree.",
        _FOUND,
        tuple(_found(row, now) for row in found),
        calls=any(row.state in (State.OPEN, State.PERSON) for row in found),
    )


async def late(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """The timing list."""
    found = await report.late(connection, day, provider)
    return Section(
        "late",
        "Late",
        "Our movements up to this day that are in no statement yet, within the time that the provider has.",
        "Every movement is in a statement.",
        _FOUND,
        tuple(_found(row, now) for row in found),
    )


async def unconfirmed(connection: AsyncConnection, day: date, provider: str | None, now: datetime) -> Section:
    """Claims."""
    found = await report.unconfirmed(connection, day, provider)
    rows = tuple(
        (*_found(row, now)[:7], row.resolution.replace("_", " "), row.confirm_by, row.owner, row.payment_id, row.id)
        for row in found
    )
    return Section(
        "unconfirmed",
        "Decided, not confirmed yet",
        "What people decided and no statement has confirmed so far, found on any day. Without confirmation it opens again.",
        "No decision waits for a statement.",
        (
            *_FOUND[:7],
            Column("resolution"),
            Column("confirm by", Cell.DATE),
            Column("owner", Cell.ID),
            _PAYMENT,
            Column("id", Cell.ID),
        ),
        rows,
    )


async def fees(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Fees by method."""
    rows = []
    for of, (method, currency, lines, charged, fee, tax, untold) in await _each(connection, bounds, report.fees):
        rate = f"{100 * fee / charged:.2f} %" if charged > 0 and untold < lines else ""
        rows.append((of.provider, method or "not told", currency, lines, charged, fee, tax, rate, untold))
    return Section(
        "fees",
        "Fees by method",
        "What the provider kept by its statement, in the currency that it settles in; the tax is part of the fee.",
        "The statements have no lines.",
        (
            _PROVIDER,
            Column("method", Cell.ID),
            _CURRENCY,
            Column("lines", Cell.NUMBER),
            Column("charged", Cell.MONEY),
            Column("fee", Cell.MONEY),
            Column("tax", Cell.MONEY),
            Column("of what was charged", Cell.NUMBER),
            Column("fee not told", Cell.NUMBER),
        ),
        tuple(rows),
    )


async def payouts(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Payouts."""
    rows = [
        (of.provider, kind.replace("_", " "), ref, amount, currency, at, arrives)
        for of, (kind, ref, amount, currency, at, arrives) in await _each(connection, bounds, report.payouts)
    ]
    return Section(
        "payouts",
        "Payouts",
        "Money that the provider sent to our bank account, or took back because it did not arrive.",
        "The statements have no payouts.",
        (
            _PROVIDER,
            Column("kind"),
            Column("reference", Cell.ID),
            Column("amount", Cell.MONEY),
            _CURRENCY,
            Column("at", Cell.MOMENT),
            Column("arrives on", Cell.DATE),
        ),
        tuple(rows),
    )


async def chargebacks(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Disputes."""
    rows = [
        (of.provider, kind.replace("_", " "), payment, ref, amount, currency, at)
        for of, (kind, payment, ref, amount, currency, at) in await _each(connection, bounds, report.chargebacks)
    ]
    return Section(
        "chargebacks",
        "Chargebacks",
        "Money that banks took back for customers, and what came back to us.",
        "The statements have no chargebacks.",
        (
            _PROVIDER,
            Column("kind"),
            _PAYMENT,
            Column("reference", Cell.ID),
            Column("amount", Cell.MONEY),
            _CURRENCY,
            Column("at", Cell.MOMENT),
        ),
        tuple(rows),
        calls=any(row[1] == "chargeback" for row in rows),
    )


async def lost_callbacks(connection: AsyncConnection, bounds: Sequence[Bounds]) -> Section:
    """Movements that nobody told us of."""
    rows = [
        (of.provider, type.lower(), learnt_by.lower(), number, amount, currency)
        for of, (type, learnt_by, currency, number, amount) in await _each(connection, bounds, report.learnt_otherwise)
    ]
    return Section(
        "lost_callbacks",
        "Lost callbacks",
        "Movements of the day whose end neither an answer nor a callback told: an inquiry, the statement or a person did.",
        "Answers and callbacks told every movement.",
        (
            _PROVIDER,
            Column("operation"),
            Column("learnt by"),
            Column("movements", Cell.NUMBER),
            Column("amount", Cell.MONEY),
            _CURRENCY,
        ),
        tuple(rows),
    )


def stuck(found: Sequence[StuckBy]) -> Section:
    """What is stuck."""
    rows = tuple(
        (
            one.rule, one.provider, one.payment_id or one.subject, one.since, one.amount, one.currency, one.asked_by,
            "yes" if one.needs_person else "",
        )
        for one in found
    )  # fmt: skip
    return Section(
        "stuck",
        "Stuck",
        "Payments, operations and callbacks that nothing had settled in time when this report was made: the oldest by each rule.",
        "Nothing is stuck.",
        (
            Column("rule"),
            _PROVIDER,
            Column("payment or callback", Cell.ID),
            Column("since", Cell.MOMENT),
            Column("amount", Cell.MONEY),
            _CURRENCY,
            Column("asked by"),
            Column("needs a person"),
        ),
        rows,
        calls=any(one.needs_person for one in found),
    )


async def corrections(connection: AsyncConnection, day: date, provider: str | None) -> Section:
    """Late entries."""
    rows = tuple(tuple(row) for row in await report.corrections(connection, day, provider))
    return Section(
        "corrections",
        "Corrections",
        "Entries of earlier days that count on this day of the books, and entries of this day that count on later ones.",
        "No closed day was corrected.",
        (
            Column("counts on", Cell.DATE),
            Column("corrects", Cell.DATE),
            Column("account", Cell.ID),
            _CURRENCY,
            Column("entries", Cell.NUMBER),
            Column("amount", Cell.MONEY),
        ),
        rows,
    )


async def _each(
    connection: AsyncConnection,
    bounds: Sequence[Bounds],
    ask: Callable[[AsyncConnection, Bounds], Awaitable[Sequence[Row[Any]]]],
) -> list[tuple[Bounds, tuple[Any, ...]]]:
    """The rows of every provider."""
    return [(of, tuple(row)) for of in bounds for row in await ask(connection, of)]
