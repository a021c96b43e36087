"""One run: the business day of one provider. Every step can be repeated: a run that died is continued by the next one."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.discrepancies import Kind
from billing.clearing.naming import Loose, Totals, doubt, name_compared, name_loose
from billing.messages import FollowUpOperation, Message, RecordChargeback, UndoRefund
from billing.messages.topics import INBOX
from billing.payments.statement import line_operation_id
from billing.reasons import http_reason
from billing.vocabulary import OperationType
from providers.base import Provider
from providers.settlement import Settlement
from providers.statements import StatementUnavailable
from reconciliation.clearing.payouts import check_payouts
from reconciliation.clearing.reading import read_statement, step
from runtime.kafka.publisher import OutboundMessage, Publisher, outbound
from storage.clearing import discrepancies, lines, totals
from storage.clearing.compare import (
    PAGE,
    LooseLine,
    Side,
    Window,
    differences,
    loose_lines,
    open_lines,
    open_sides,
    our_movements,
)
from storage.clearing.discrepancies import Discrepancy, Finding
from storage.clearing.fees import Fee, fees_apart
from storage.clearing.lines import ChargebackLine, Taken
from storage.clearing.posting import PAGE as POSTED_PAGE
from storage.clearing.posting import post_discrepancies, post_statement
from storage.clearing.staging import forget, is_whole

log = structlog.get_logger(__name__)

SOURCE: Final = "/reconciliation/clearing"
ACTOR: Final = "system:clearing"
#: Postings of the last minutes may be of a batch that is not committed yet.
SETTLING: Final = timedelta(minutes=5)
#: Payments that one run tells something.
ASKED_MAX: Final = 5_000
_ASKED_PAGE: Final = 500
#: There is no file of the day.
_NO_FILE: Final = http_reason(404)


#: Gets what is under way, and how far it is.
OnProgress = Callable[[str, int], None]


def no_progress(_what: str, _number: int) -> None:
    """Nobody looks."""


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    WAITING = "waiting"
    """There is no statement yet, or the provider does not answer."""
    SUSPECT = "suspect"
    """The statement is doubted as a whole: a person decides."""


class Ran(msgspec.Struct, frozen=True):
    """A run. ``reason``: why it waits, why the statement is doubted, or that there is none of an empty day. ``lines``: of
    the day; ``loose``: those without an operation; ``movements``: ours of the day; ``unread``: earlier days whose statement
    could not be read again; ``reread``: those whose statement has changed; ``found``: discrepancies that it opened or
    moved, by kind; ``asked``: messages to payments; ``seconds``: by step."""

    provider: str
    day: date
    outcome: Outcome
    reason: str | None = None
    lines: int = 0
    loose: int = 0
    movements: int = 0
    taken: Taken = Taken(0, 0, 0)
    unread: tuple[date, ...] = ()
    reread: tuple[date, ...] = ()
    found: dict[str, int] = {}
    asked: int = 0
    seconds: dict[str, float] = {}


def window_of(provider: str, settlement: Settlement, day: date, began: date | None) -> Window:
    """What a comparison of a business day looks at: the days on which a line of it may come late, or change. ``began``: the
    first day that was ever cleared: what was booked before is in no statement that is read; ``None``: since ever."""
    first = day - timedelta(days=max(settlement.reread, settlement.late, settlement.late_refunds))
    if began is not None:
        first = max(first, began)
    end = settlement.business_day(day)[1]
    return Window(provider, first, day, settlement.business_day(first)[0], end, end)


class ClearingRun:
    """The run of a business day at one provider, by the connection that holds its lock. ``name``: of the provider.
    ``again``: earlier days, whose statements are read again. ``began``: as in :func:`window_of`. ``understood``: whether
    every worker knows the messages of clearing; without, only what the last release knows is sent, the rest by a later
    run."""

    def __init__(
        self,
        connection: AsyncConnection,
        publisher: Publisher,
        provider: Provider,
        name: str,
        day: date,
        *,
        now: Callable[[], datetime],
        again: Sequence[date] = (),
        began: date | None = None,
        understood: bool = True,
        on_progress: OnProgress = no_progress,
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._provider = provider
        self._name = name
        self._day = day
        self._now = now
        self._again = again
        self._understood = understood
        self._on_progress = on_progress
        self._seconds: dict[str, float] = {}
        self._settlement = settlement = provider.capabilities.settlement
        self._start, self._end = settlement.business_day(day)
        known = now() - SETTLING
        window = window_of(name, settlement, day, began)
        first = min(window.first, *again) if again else window.first
        self._window = Window(name, first, day, settlement.business_day(first)[0], min(self._end, known), known)

    async def run(self, *, believe: bool = False) -> Ran:
        """Read, join, compare, record, tell the payments, post. ``believe``: a person has looked at a statement that was
        doubted."""
        reason = None
        try:
            taken = await self._read(self._day)
        except StatementUnavailable as error:
            reason = await self._goes_without(error)
            if reason is None:
                return await self._waiting(error.reason)
            taken = Taken(0, 0, 0)
        unread, reread = await self._read_again()
        self._on_progress("joining", 0)
        with self._timed("joining"):
            async with step(self._connection):
                chargebacks = await lines.join(self._connection, self._name, self._window.first, self._day)
                for line in chargebacks:
                    await lines.bind(self._connection, self._name, line, _chargeback_id(self._name, line))
                await lines.analyze(self._connection)
        with self._timed("counting"):
            async with step(self._connection):
                theirs = await lines.counts(self._connection, self._name, self._day)
                ours, without_line = await our_movements(
                    self._connection, self._window, self._start, self._window.until
                )
        ran = Ran(self._name, self._day, Outcome.DONE, reason, theirs.lines, theirs.loose, ours, taken, unread, reread)
        # A line that names a payment of ours is of the right file, also where the books lack its movement.
        lacking = theirs.loose - theirs.unknown
        why = doubt(Totals(ours + lacking, theirs.lines, theirs.unknown + without_line))
        if why is not None and not believe:
            found = await self._record([self._of_day(Kind.STATEMENT_SUSPECT, why)])
            return msgspec.structs.replace(ran, outcome=Outcome.SUSPECT, reason=why, found=_by_kind(found))
        read = [day for day in (*self._again, self._day) if day not in unread]
        with self._timed("comparing"):
            async with step(self._connection):
                found = await self._compare(
                    differences(self._connection, self._window), loose_lines(self._connection, self._window)
                )
        with self._timed("checking fees and payouts"):
            async with step(self._connection):
                payouts = await lines.payouts(self._connection, self._name, read)
                tariffs = {method: msgspec.structs.astuple(t) for method, t in self._settlement.tariffs.items()}
                fees = await fees_apart(self._connection, self._name, read, tariffs)
            found += await self._record(
                [self._of_day(None), *map(_of_fee, fees), *await check_payouts(self._provider, self._name, payouts)]
            )
        with self._timed("telling"):
            asked = await self._publish_chargebacks() + await self.ask()
        with self._timed("posting"):
            await self._post(read)
        return msgspec.structs.replace(ran, found=_by_kind(found), asked=asked, seconds=self._seconds)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[name] = round(self._seconds.get(name, 0.0) + time.perf_counter() - started, 3)

    async def check_open(self) -> list[Discrepancy]:
        """Compare what is open once more, after payments were told: it closes as soon as both sides agree."""
        async with step(self._connection):
            await lines.join(self._connection, self._name, self._window.first, self._day)
            now_known = msgspec.structs.replace(self._window, known=self._now())
            changed = await self._compare(
                open_sides(self._connection, now_known), open_lines(self._connection, now_known)
            )
        await self._post([])
        return changed

    async def ask(self) -> int:
        """Tell the payments of open discrepancies what to ask or what is proven, once for a day; returns how many."""
        asked = 0
        while asked < ASKED_MAX:
            async with step(self._connection):
                page = await discrepancies.ask(
                    self._connection,
                    self._name,
                    self._day,
                    self._now(),
                    _ASKED_PAGE,
                    actor=ACTOR,
                    without=() if self._understood else (Kind.REFUND_UNDONE, Kind.CHARGEBACK),
                )
                # Before the transaction ends: who dies in between tells them twice, which changes nothing.
                messages = [m for d, about in page if (m := self._question(d, about)) is not None]
                await self._publish(messages)
            asked += len(messages)
            if len(page) < _ASKED_PAGE:
                break
        return asked

    async def _post(self, days: Sequence[date]) -> None:
        """Bring the ledger up to the statements of these days and to all discrepancies."""
        self._on_progress("posting", 0)
        for day in days:
            async with step(self._connection):
                await post_statement(self._connection, self._name, day, self._now())
        posted = POSTED_PAGE
        while posted == POSTED_PAGE:
            async with step(self._connection):
                posted = await post_discrepancies(self._connection, self._name, self._now())

    async def _read(self, day: date) -> Taken:
        """Take a day's statement over. Raises :class:`StatementUnavailable`: what was read stays staged."""
        with self._timed("reading"):
            await read_statement(
                self._connection, self._provider, self._name, day, lambda number: self._on_progress("reading", number)
            )
        with self._timed("taking over"):
            async with step(self._connection):
                whole = await is_whole(self._connection, self._name, day)
                taken = await lines.take(self._connection, self._name, day) if whole else None
                if taken is not None and any(msgspec.structs.astuple(taken)):
                    await totals.add_up(self._connection, self._name, day)
                await forget(self._connection, self._name, day)
        if taken is None:
            raise StatementUnavailable("lost: what was read is not staged any more")
        return taken

    async def _read_again(self) -> tuple[tuple[date, ...], tuple[date, ...]]:
        """Read the statements of earlier days again; returns the days of which there is none now, and those whose statement
        has changed."""
        unread, changed = [], []
        for day in self._again:
            try:
                taken = await self._read(day)
                if taken != Taken(0, 0, 0):
                    changed.append(day)
            except StatementUnavailable as error:
                log.warning("statement not read again", provider=self._name, day=str(day), reason=error.reason)
                unread.append(day)
        return tuple(unread), tuple(changed)

    async def _goes_without(self, error: StatementUnavailable) -> str | None:
        """Why the day is compared although there is no file of it: it was read before, or nothing moved and the provider
        makes none of such a day. ``None``: it is not."""
        if error.reason != _NO_FILE:
            return None
        async with step(self._connection):
            known = (await lines.counts(self._connection, self._name, self._day)).lines
            ours, _ = await our_movements(self._connection, self._window, self._start, self._window.until)
        if known:
            return "there is no file any more; its lines are known"
        return "nothing moved, and there is no file" if ours == 0 and self._is_absent() else None

    async def _waiting(self, reason: str) -> Ran:
        found = []
        if self._is_absent():
            found = await self._record([self._of_day(Kind.STATEMENT_MISSING, reason)])
        return Ran(self._name, self._day, Outcome.WAITING, reason, found=_by_kind(found))

    def _is_absent(self) -> bool:
        """Whether the statement should be there by now."""
        return self._now() >= self._end + self._settlement.absent_after

    async def _compare(self, sides: AsyncIterator[Side], loose: AsyncIterator[LooseLine]) -> list[Discrepancy]:
        """Name what differs and record it, in the caller's transaction."""
        found: list[Discrepancy] = []
        page: list[Finding] = []
        async for finding in self._findings(sides, loose):
            page.append(finding)
            if len(page) == PAGE:
                found += await self._record(page)
                page.clear()
        return found + await self._record(page)

    async def _findings(self, sides: AsyncIterator[Side], loose: AsyncIterator[LooseLine]) -> AsyncIterator[Finding]:
        async for side in sides:
            yield self._of_operation(side)
        seen = set()
        async for line in loose:
            finding = _of_line(line)
            if finding.subject not in seen:
                seen.add(finding.subject)
                yield finding

    def _of_operation(self, side: Side) -> Finding:
        c = side.compared
        kind = None
        if not side.agrees:
            booked_on = self._day if side.booked_at is None else self._settlement.day_of(side.booked_at)
            late = self._settlement.late if c.ours > 0 else self._settlement.late_refunds
            kind = name_compared(c, late_until=booked_on + timedelta(days=late), today=self._day)
        other = {"their_currency": c.their_currency} if c.their_currency not in (None, c.currency) else {}
        return Finding(
            subject=f"operation:{c.operation_id}",
            kind=kind,
            payment_id=c.payment_id,
            operation_id=c.operation_id,
            currency=c.currency,
            ours=c.ours,
            theirs=c.theirs,
            detail={"lines": list(c.kinds)} | other,
        )

    def _of_day(self, kind: Kind | None, why: str | None = None) -> Finding:
        return Finding(subject=f"day:{self._day}", kind=kind, detail={} if why is None else {"why": why})

    def _question(self, d: Discrepancy, about: UUID | None) -> Message | None:
        """The message that a discrepancy's payment gets, if any. ``about``: the operation whose provider is inquired."""
        assert d.payment_id is not None
        if d.kind is Kind.REFUND_UNDONE and d.operation_id is not None:
            back = (d.theirs or 0) - (d.ours or 0)
            return UndoRefund(d.payment_id, self._name, f"refund_undone/{d.id}", d.operation_id, back)
        if d.kind is Kind.CHARGEBACK or about is None:
            return None
        return FollowUpOperation(d.payment_id, about, d.asked, on_demand=True)

    async def _publish_chargebacks(self) -> int:
        """Tell payments of disputes that they have not booked."""
        if not self._understood:
            return 0
        async with step(self._connection):
            unbooked = await lines.unbooked_chargebacks(self._connection, self._name, self._window.first, self._day)
        await self._publish([_chargeback(self._name, line) for line in unbooked])
        return len(unbooked)

    async def _record(self, findings: Sequence[Finding]) -> list[Discrepancy]:
        async with step(self._connection):
            return await discrepancies.record(
                self._connection, self._name, self._day, findings, self._now(), actor=ACTOR
            )

    async def _publish(self, messages: Sequence[Message]) -> None:
        now, prefix = self._now(), f"clearing/{self._name}/{self._day}"
        sent: list[OutboundMessage] = [
            outbound(INBOX, m, id=f"{prefix}/{m.TYPE}/{_about(m)}", source=SOURCE, time=now, actor=ACTOR)
            for m in messages
        ]
        if sent:
            await self._publisher.publish(sent)


def _about(message: Message) -> object:
    """What makes a message to a payment unique in a run."""
    return message.line if isinstance(message, RecordChargeback | UndoRefund) else message.subject_id


def _of_line(line: LooseLine) -> Finding:
    named = Loose(line.kind, line.payment_id, line.candidates)
    told = {"type": line.raw_type, "order": line.order_ref, "movement": line.provider_ref}
    return Finding(
        subject=f"line:{line.day}:{line.line_ref}#{line.occurrence}",
        kind=name_loose(named) if line.is_loose else None,
        payment_id=line.payment_id,
        currency=line.currency,
        theirs=line.amount,
        detail={"day": str(line.day), "line": line.line_ref, "occurrence": line.occurrence, "kind": line.kind}
        | {name: value for name, value in told.items() if value is not None},
    )


def _of_fee(fee: Fee) -> Finding:
    return Finding(
        subject=f"fee:{fee.day}:{fee.line_ref}#{fee.occurrence}",
        kind=Kind.FEE_DIFFERS if fee.differs else None,
        payment_id=fee.payment_id,
        detail={"line": fee.line_ref, "currency": fee.currency, "fee": fee.fee, "by_contract": fee.expected},
    )


def _chargeback_id(provider: str, line: ChargebackLine) -> UUID:
    """The operation that the payment makes of a dispute's line."""
    return line_operation_id(line.payment_id, provider, line.line_ref, _operation_type(line))


def _chargeback(provider: str, line: ChargebackLine) -> Message:
    undone = _operation_type(line) is OperationType.CHARGEBACK_UNDONE
    case = line.provider_ref or line.order_ref or line.line_ref
    return RecordChargeback(line.payment_id, provider, line.line_ref, case, line.amount, undone=undone, at=line.at)


def _operation_type(line: ChargebackLine) -> OperationType:
    return OperationType(line.kind.upper())


def _by_kind(found: Sequence[Discrepancy]) -> dict[str, int]:
    return dict(sorted(Counter(d.kind.value for d in found).items()))
