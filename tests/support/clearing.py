"""Payments, a statement of them, and runs of clearing over both."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.clearing.discrepancies import Event
from billing.messages import MESSAGE_TYPES, Message, RefundPayment, decode_envelope
from billing.vocabulary import Outcome as CallOutcome
from billing.vocabulary import PaymentStatus
from providers.registry import PLUGINS
from providers.statements import LineKind, Part, StatementLine, StatementPage, StatementUnavailable
from reconciliation.clearing.job import clear_day, job_name
from reconciliation.clearing.run import ClearingRun, Ran
from storage import job_runs
from storage.clearing import discrepancies
from storage.processes.leases import WORKER, Lease
from storage.processes.locks import Lock, writing
from tests.support.factories import NOW, PROVIDER, a_create, a_payment, opened, performed, told
from tests.support.streams import Publisher, World

SETTLEMENT = PLUGINS[PROVIDER].capabilities.settlement
DAY = SETTLEMENT.day_of(NOW)


class Statement:
    """A provider that has a statement and nothing else. ``breaks_after``: pages until it does not answer any more;
    ``fails_with``: why there is no statement."""

    capabilities = PLUGINS[PROVIDER].capabilities

    def __init__(self) -> None:
        self.lines: dict[date, list[StatementLine]] = {}
        self.breaks_after: int | None = None
        self.fails_with: str | None = None
        self.pages_read: list[str | None] = []

    def payout(self, payout_ref: str, day: date) -> Part | None:
        return None

    def parts(self, day: date) -> Sequence[Part]:
        return [Part(day, "movements")]

    async def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        lines, start = self.lines.get(part.day, []), int(after or 0)
        if self.fails_with is not None:
            raise StatementUnavailable(self.fails_with)
        while True:
            if self.breaks_after is not None and len(self.pages_read) == self.breaks_after:
                raise StatementUnavailable("timeout")
            self.pages_read.append(None if start == 0 else str(start))
            following = start + 2
            yield StatementPage(tuple(lines[start:following]), str(following) if following < len(lines) else None)
            if following >= len(lines):
                return
            start = following


class Cleared(World):
    """Payments, and the provider's statement of them."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.statement = Statement()
        self.kafka = Publisher()
        self.now = SETTLEMENT.business_day(DAY)[1] + timedelta(hours=13)

    async def paid(self, number: int = 1, at: datetime = NOW) -> list[Any]:
        """Payments that are booked at this time."""
        agent, ids = await self.agent(now=lambda: at), []
        for _ in range(number):
            create = a_create()
            payment = a_payment(payment_id=create.payment_id, order=create.order)
            await self.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED))
            ids.append(create.payment_id)
        return [await self.payment(id) for id in ids]

    async def unpaid(self, number: int) -> list[Any]:
        """Payments that wait for their customers."""
        agent, creates = await self.agent(), [a_create() for _ in range(number)]
        for create in creates:
            await self.deliver(agent, create, opened(a_payment(payment_id=create.payment_id, order=create.order)))
        return [await self.payment(create.payment_id) for create in creates]

    async def refund(self, payment: Any, amount: int) -> UUID:
        agent, id = await self.agent(), uuid4()
        await self.deliver(agent, RefundPayment(payment.id, id, "asked", amount))
        await self.deliver(agent, performed(await self.payment(payment.id), id, CallOutcome.SUCCEEDED))
        return id

    def has(self, *lines: StatementLine, day: date = DAY) -> None:
        self.statement.lines[day] = list(lines)

    async def run(self, day: date = DAY, **options: Any) -> Ran:
        async with writing(self.engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            return await self.on(connection, day).run(**options)

    async def clear(self, day: date = DAY) -> None:
        """The same as the scheduler does it: the run is noted, and told."""
        publisher: Any = self.kafka
        provider: Any = self.statement
        self.now = max(self.now, SETTLEMENT.business_day(day)[1] + SETTLEMENT.ready_after)
        async with writing(self.engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            async with connection.begin():
                await job_runs.open_runs(connection, job_name(PROVIDER), [day])
            await clear_day(connection, publisher, provider, PROVIDER, day, now=lambda: self.now, believe=False)

    async def check_open(self, day: date = DAY) -> None:
        async with writing(self.engine, Lock.CLEARING, PROVIDER) as connection:
            assert connection is not None
            await self.on(connection, day).check_open()

    def on(self, connection: AsyncConnection, day: date, again: Sequence[date] = ()) -> ClearingRun:
        """A run by the connection that holds the lock."""
        provider: Any = self.statement
        kafka: Any = self.kafka
        return ClearingRun(connection, kafka, provider, PROVIDER, day, now=lambda: self.now, again=again)

    async def decide(self, event: Event, subject: str = "", **changes: Any) -> None:
        """A person decides on the only discrepancy whose subject begins so."""
        ((id,),) = await self.rows(f"SELECT id FROM discrepancies WHERE subject LIKE '{subject}%'")
        async with self.engine.begin() as connection:
            await discrepancies.decide(connection, id, event, self.now, actor="operator:ann", reason="seen", **changes)

    async def understood(self) -> None:
        """A worker of this release runs."""
        lease = Lease(WORKER, "worker", "here", 600.0, MESSAGE_TYPES.keys())
        async with self.engine.begin() as connection:
            await lease.refresh(connection)

    async def tell_payments(self) -> None:
        """Deliver what clearing told the payments."""
        messages = self.sent()
        self.kafka.published.clear()
        await self.deliver(await self.agent(), *messages)

    async def discrepancies(self) -> list[tuple[str, str, int | None, int | None]]:
        return await self.rows("SELECT kind, state, ours, theirs FROM discrepancies ORDER BY opened_at, subject")

    def sent(self) -> list[Message]:
        return [decode_envelope(bytes(o.value)).open() for o in self.kafka.published]


def charge(payment: Any, **fields: Any) -> StatementLine:
    return line(LineKind.CHARGE, payment.captured, own_id=payment.charge.id, line_ref=f"charge-{payment.id}", **fields)


def line(kind: LineKind, amount: int, **fields: Any) -> StatementLine:
    values: dict[str, Any] = {"line_ref": str(uuid4()), "currency": "RUB", "at": NOW}
    return StatementLine(kind=kind, amount=amount, **(values | fields))
