"""Close a day of the books, and show the trial balance and the tie-outs of any."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.operators import ActionRefused, Note, Operator, recorded
from billing.clearing.discrepancies import State
from billing.errors import InvariantBroken
from billing.ledger.trial_balance import AccountBalance, Key, Turnover, trial_balance
from providers.settlement import Settlement
from reconciliation.clearing.closing import JOB, Readiness, readiness
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import ClearingSettings, PostgresSettings
from storage import job_runs, operator_actions
from storage.books import closing
from storage.books.closing import CannotClose, LedgerBusy
from storage.books.trial_balance import Link, closed_day, last_closed, opening_balances, turnover
from storage.clearing.discrepancies import by_kind
from storage.job_runs import Request
from storage.operator_actions import OperatorAction
from storage.processes.leases import SCHEDULER, live

#: Seconds for one statement: before the first close it reads the whole ledger, without the lock.
TIMEOUT_S: Final = 900.0


class NotExplained(ActionRefused):
    """Clearing is not through with the day. ``reasons``: in words."""

    def __init__(self, day: date, reasons: Sequence[str]) -> None:
        super().__init__(f"{day} is not explained: {'; '.join(reasons)}")
        self.reasons = tuple(reasons)


class NotNow(ActionRefused):
    """The ledger is being written to: try again."""


class DayBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The trial balance of a day. ``closed_at`` (UTC), ``closed_by``, ``reason`` and ``hash`` (hexadecimal): ``None`` while
    the day is open and may still change. ``entries``: how many have its accounting date."""

    accounting_date: date
    entries: int
    accounts: tuple[AccountBalance, ...]
    closed_at: datetime | None = None
    closed_by: str | None = None
    reason: str | None = None
    hash: str | None = None


async def close_day(
    settings: ClearingSettings,
    settlements: Mapping[str, Settlement],
    operator: Operator,
    day: date | None,
    *,
    force: bool = False,
) -> DayBalance:
    """Close ``day``, by default the first open one. ``settlements``: of all providers, by name. ``force``: also where
    clearing is not through with it. Raises :class:`NotNow`, and :class:`~backoffice.operators.ActionRefused` where it
    cannot be closed."""
    async with connected(settings, command_timeout_s=TIMEOUT_S) as engine:
        async with engine.connect() as connection:
            found = await _readiness(connection, settings, settlements, day)
        day = found.day
        async with (
            recorded(engine, operator, "close_day", "accounting_date", str(day)) as record,
            engine.begin() as connection,
        ):
            try:
                closing.require_closable(await closing.period(connection), day)
                if found.reasons and not force:
                    raise NotExplained(day, found.reasons)
                link = await closing.close_day(connection, day, operator.name, operator.reason, found.tie_outs)
                closed = _closed(link)
            except LedgerBusy as error:
                raise NotNow(str(error)) from error
            except (CannotClose, InvariantBroken) as error:
                raise ActionRefused(str(error)) from error
            record.details |= {"hash": closed.hash, "unexplained": list(found.reasons)}
            await record.complete(connection)
        return closed


class Refusal(msgspec.Struct, frozen=True):
    """Why the day was not closed that ``by`` had asked for, ``at`` (UTC)."""

    by: str
    why: str
    at: datetime


class BooksDay(msgspec.Struct, frozen=True, kw_only=True):
    """The first open day of the books. ``is_over``: in ``zone``, whose dates the books use. ``ready``: whether clearing is
    through with it; ``None`` while it is not over. ``moved``: debit and credit by account and currency, minor units, of so
    many ``entries``. ``discrepancies``: that are open on the business days of this date. ``request``: who asked to close
    it; ``refused``: why that was not done. ``has_scheduler``: one runs now. ``before``: the day that was closed last."""

    day: date
    zone: str
    is_over: bool
    ready: Readiness | None
    moved: Mapping[Key, Turnover]
    entries: int
    discrepancies: int
    request: Request | None
    refused: Refusal | None
    has_scheduler: bool
    before: DayBalance | None


async def first_open_day(settings: ClearingSettings, settlements: Mapping[str, Settlement]) -> BooksDay:
    """How the first open day stands, and what it would be closed with now."""
    async with connected(settings, command_timeout_s=TIMEOUT_S) as engine, engine.connect() as connection:
        period, before = await closing.period(connection), await last_closed(connection)
        day, is_over = period.first_open, period.first_open < period.today
        moved, entries = await turnover(connection, day)
        run = next(iter(await job_runs.of_date(connection, JOB, day)), None)
        return BooksDay(
            day=day,
            zone=period.zone,
            is_over=is_over,
            ready=await _readiness(connection, settings, settlements, day) if is_over else None,
            moved=moved,
            entries=entries,
            discrepancies=sum([await _open(connection, name, day) for name in settlements]),
            request=None if run is None else run.request,
            refused=None if run is None or run.request else _refusal(run),
            has_scheduler=await live(connection, SCHEDULER) > 0,
            before=None if before is None else _closed(before),
        )


async def ask_to_close(
    settings: ClearingSettings,
    settlements: Mapping[str, Settlement],
    operator: Operator,
    day: date,
    key: UUID,
    note: Note,
) -> None:
    """Let the scheduler close ``day`` in the operator's name, at its next look: who closes a day holds up payments, and the
    scheduler looks again whether the day can be closed. ``key``: the same however often the request is sent; a repeat
    changes nothing. ``note``: records more in the same transaction, its last statement. Raises
    :class:`~backoffice.operators.ActionRefused` where it cannot be closed, and where somebody has asked for it already."""
    asked = Request(str(key), operator.name, operator.reason, utc_now())
    async with connected(settings, command_timeout_s=TIMEOUT_S) as engine:
        async with engine.connect() as connection:
            if _is_of(await job_runs.of_date(connection, JOB, day), asked):
                return
            try:
                closing.require_closable(await closing.period(connection), day)
            except CannotClose as error:
                raise ActionRefused(str(error)) from error
            found = await _readiness(connection, settings, settlements, day)
        if found.reasons:
            raise NotExplained(day, found.reasons)
        async with engine.connect() as connection, connection.begin() as transaction:
            action = OperatorAction(
                at=asked.at, actor=operator.name, action="close_day", reason=operator.reason,
                subject_kind="accounting_date", subject_id=str(day), details={"asked": "scheduler"},
            )  # fmt: skip
            started = await operator_actions.record(connection, action)
            asked = msgspec.structs.replace(asked, action=started)
            if not await job_runs.ask(connection, JOB, day, asked, again=False):
                runs = await job_runs.of_date(connection, JOB, day)
                await transaction.rollback()
                if not _is_of(runs, asked):
                    raise ActionRefused(f"somebody has asked to close {day} already")
            else:
                await note(connection)


async def _open(connection: AsyncConnection, provider: str, day: date) -> int:
    found = await by_kind(connection, provider, day)
    return sum(number for _, state, number in found if state in (State.OPEN, State.PERSON))


def _refusal(run: job_runs.JobRun) -> Refusal | None:
    found = run.counts.get("refused")
    return None if found is None else msgspec.convert(found, Refusal)


def _is_of(runs: Sequence[job_runs.JobRun], asked: Request) -> bool:
    return any(run.request is not None and run.request.key == asked.key for run in runs)


async def closed_balance(settings: PostgresSettings, day: date) -> DayBalance | None:
    """The trial balance with which ``day`` was closed; ``None`` while it is open."""
    async with connected(settings) as engine, engine.connect() as connection:
        link = await closed_day(connection, day)
    return None if link is None else _closed(link)


async def balance_of(settings: PostgresSettings, day: date) -> DayBalance:
    """The trial balance of ``day``: as it was closed, or of an open day as it stands. Raises
    :class:`~backoffice.operators.ActionRefused` for a day before the first closed one, for one to come, and where the books
    do not balance."""
    async with connected(settings, command_timeout_s=TIMEOUT_S) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        link = await closed_day(connection, day)
        if link is not None:
            return _closed(link)
        period = await closing.period(connection)
        if day > period.today:
            raise ActionRefused(f"{day} has not begun: it is {period.today} in {period.zone}")
        if day < period.first_open:
            raise ActionRefused(f"there is no trial balance of {day}: it is older than the books' first day")
        opening = await opening_balances(connection, await last_closed(connection), day)
        moved, entries = await turnover(connection, day)
        try:
            return DayBalance(accounting_date=day, entries=entries, accounts=trial_balance(opening, moved))
        except InvariantBroken as error:
            raise ActionRefused(str(error)) from error


async def tie_outs_of(settings: ClearingSettings, settlements: Mapping[str, Settlement], day: date | None) -> Readiness:
    """How ``day`` ties out, by default the first open one, and why it cannot be closed if it cannot. One that is closed: as
    it was closed."""
    async with connected(settings, command_timeout_s=TIMEOUT_S) as engine, engine.connect() as connection:
        return await _readiness(connection, settings, settlements, day)


async def _readiness(
    connection: AsyncConnection, settings: ClearingSettings, settlements: Mapping[str, Settlement], day: date | None
) -> Readiness:
    link = None if day is None else await closed_day(connection, day)
    if link is not None:
        return Readiness(link.day.accounting_date, (), link.day.tie_outs)
    period = await closing.period(connection)
    return await readiness(connection, settlements, day or period.first_open, period.zone, settings.clearing_from)


def _closed(link: Link) -> DayBalance:
    day = link.day
    return DayBalance(
        accounting_date=day.accounting_date,
        entries=day.entries,
        accounts=day.accounts,
        closed_at=day.closed_at,
        closed_by=day.closed_by,
        reason=day.reason,
        hash=link.hash.hex(),
    )
