"""Payments at a provider's sandbox and in the books, and runs of clearing over both."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backoffice.audit.audit import check_books
from backoffice.audit.clearing import check_clearing
from backoffice.audit.findings import Findings
from backoffice.audit.provider import check_charges
from billing.messages import Message, ProviderRequest, ProviderResult, RefundPayment, decode_envelope
from billing.messages.topics import REQUESTS
from billing.payments.model import Payment
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import ClearingRun, Ran
from runtime.settings import Settings
from storage import job_runs
from storage.inspection.books import moment
from storage.processes.locks import Lock, writing
from tests.support.factories import a_create, an_order
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.provider_life import Life
from tests.support.sandbox import ProviderWorld, running
from tests.support.streams import Publisher, World
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yandex-pay": ProviderWorld, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
PRICE = 59_900


class Recorded(Life):
    """A payment at the sandbox, and the messages that made it."""

    def __init__(self, world: ProviderWorld) -> None:
        super().__init__(world)
        self.messages: list[Message] = []

    async def tell(self, message: Message) -> Payment:
        self.messages.append(message)
        return await super().tell(message)


class AtProvider(World):
    """Payments at a provider's sandbox and in the books, and runs over both as if the day were over. ``ahead``: by how much
    the provider's clock and ours are ahead of the machine's (:meth:`move`)."""

    def __init__(self, engine: AsyncEngine, provider: ProviderWorld) -> None:
        super().__init__(engine)
        self.provider = provider
        self.name = provider.adapter.name
        self.kafka = Publisher()
        self.settlement = provider.adapter.capabilities.settlement
        self.ahead = timedelta()
        self.day = self.settlement.day_of(self.clock())
        self.now = self._after(self.day)

    def clock(self) -> datetime:
        """Our time, at which payments are booked."""
        return datetime.now(UTC) + self.ahead

    async def move(self, ahead: timedelta) -> None:
        """Move the provider's clock and ours; the day with them."""
        await self.provider.tell("clock", offset_s=ahead.total_seconds())
        self.ahead = ahead
        self.day = self.settlement.day_of(self.clock())

    async def bought(self, refund: int = 0, *, hears: bool = True) -> Payment:
        """A payment that its customer paid. ``refund``: minor units of it are given back; ``hears``: a callback comes."""
        life = Recorded(self.provider)
        await life.tell(a_create(order=an_order(PRICE), provider=self.name))
        await life.pays()
        if hears:
            await life.called_back()
            await life.settled()
        if refund:
            assert life.payment is not None
            await life.tell(RefundPayment(life.payment.id, uuid4(), "asked", refund))
            await life.settled()
        await self.deliver(await self.agent(now=self.clock), *life.messages)
        assert life.payment is not None
        return await self.payment(life.payment.id)

    async def run(self, day: date | None = None, again: Sequence[date] = ()) -> Ran:
        """A run of the day, after its statement should be there."""
        day = day or self.day
        self.now = max(self.now, self._after(day))
        async with writing(self.engine, Lock.CLEARING, self.name) as connection:
            assert connection is not None
            return await self._on(connection, day, again).run()

    async def check_open(self) -> None:
        """Whatever agrees by now closes."""
        async with writing(self.engine, Lock.CLEARING, self.name) as connection:
            assert connection is not None
            await self._on(connection, self.day).check_open()

    async def answer(self) -> None:
        """Deliver what clearing told the payments, and carry out what they ask of the provider."""
        agent, messages = await self.agent(now=self.clock), self.told()
        self.kafka.published.clear()
        while messages:
            self.publisher.published.clear()
            await self.deliver(agent, *messages)
            outputs = [o for o in self.publisher.published if o.topic == REQUESTS.name]
            asked = [decode_envelope(bytes(output.value)).open() for output in outputs]
            messages = [await self._perform(request) for request in asked if isinstance(request, ProviderRequest)]

    def told(self) -> list[Message]:
        """What clearing told the payments."""
        return [decode_envelope(bytes(output.value)).open() for output in self.kafka.published]

    async def cleared(self, *days: date) -> None:
        """The scheduler has finished these days."""
        job = job_name(self.name)
        async with self.engine.begin() as connection:
            for day in days:
                await job_runs.open_runs(connection, job, [day])
                await job_runs.finish_date(connection, job, day, {})

    async def audited(self) -> list[tuple[str, str]]:
        """What ``billing verify`` finds in the books, of clearing, and in the provider's record: kind and detail."""
        findings, settings = Findings(), Settings(sandbox_url=self.provider.url)
        async with moment(self.engine) as connection:
            await check_books(connection, findings)
            await check_charges(connection, settings, findings, settled=True)
            await check_clearing(connection, settings, findings)
        return [(violation.kind, violation.detail) for violation in findings.violations]

    async def states(self) -> list[tuple[Any, ...]]:
        """Kind and state of every discrepancy."""
        return await self.rows("SELECT kind, state FROM discrepancies ORDER BY opened_at, kind")

    def _after(self, day: date) -> datetime:
        return self.settlement.business_day(day)[1] + self.settlement.absent_after - timedelta(minutes=1)

    def _on(self, connection: AsyncConnection, day: date, again: Sequence[date] = ()) -> ClearingRun:
        kafka: Any = self.kafka
        return ClearingRun(connection, kafka, self.provider.adapter, self.name, day, now=lambda: self.now, again=again)

    async def _perform(self, request: ProviderRequest) -> ProviderResult:
        result = await self.provider.adapter.perform(request)
        about = {name: getattr(request, name) for name in ("payment_id", "operation_id", "provider", "action", "books")}
        return ProviderResult(**about, **msgspec.structs.asdict(result))


@asynccontextmanager
async def at_provider(engine: AsyncEngine, name: str, folder: Path) -> AsyncIterator[AtProvider]:
    """A provider's sandbox, and our books of it."""
    async with running(WORLDS[name](folder)) as provider:
        yield AtProvider(engine, provider)
