"""Bulk refunds over a database: the panel, the scheduler's job, the payments agent, with Kafka and the provider imitated
between them."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
from sqlalchemy import text

from billing.messages import MESSAGE_TYPES, ProviderResult, decode_envelope
from billing.payments.model import Payment
from billing.vocabulary import Action, Outcome, PaymentStatus
from reconciliation.bulk.job import BulkRefunds
from runtime.clock import utc_now
from runtime.kafka.publisher import OutboundMessage
from storage.bulk.rows import Row
from storage.bulk.rows import page as page_of_rows
from storage.processes.leases import WORKER, Lease
from tests.support.factories import a_create, a_payment, an_order, opened, told
from tests.support.panel import Panel
from tests.support.streams import Crash

KEY = re.compile(r'name="key" value="([0-9a-f-]{36})"')
VERSION = re.compile(r'name="version" value="(\d+)"')
HEADER = "payment_id,amount,reason\n"


class Kafka:
    """The inbox, as the job sees it. ``crash_after``: die after so many more messages, in the middle of a page."""

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []
        self.delivered = 0
        self.crash_after: int | None = None

    async def publish(self, outputs: Sequence[OutboundMessage], /) -> None:
        if self.crash_after is not None:
            self.sent += outputs[: self.crash_after]
            raise Crash
        self.sent += outputs


class Bulk:
    """What people and processes do."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.kafka = Kafka()
        self.engine = panel.stream.engine
        self.outcome = Outcome.SUCCEEDED

    async def start(self) -> None:
        """A worker that knows all messages runs."""
        async with self.engine.begin() as connection:
            await Lease(WORKER, "worker", "1", 3600.0, MESSAGE_TYPES.keys()).refresh(connection)

    async def paid(self, number: int, price: int = 10_000, currency: str = "RUB") -> list[Payment]:
        """So many payments that were captured."""
        agent = await self.panel.stream.agent()
        messages: list[Any] = []
        ids = []
        for _ in range(number):
            create = a_create(order=an_order(price, currency=currency))
            payment = a_payment(payment_id=create.payment_id, order=create.order)
            messages += [create, opened(payment), told(payment, PaymentStatus.CAPTURED)]
            ids.append(create.payment_id)
        await self.panel.stream.deliver(agent, *messages)
        return [await self.panel.payment(id) for id in ids]

    async def upload(
        self,
        content: str | bytes,
        reason: str = "the cinema was closed",
        name: str = "june.csv",
        key: str | None = None,
    ) -> tuple[int, str]:
        """Status and page, or where it leads."""
        if key is None:
            (key,) = KEY.findall(await self.panel.get("/bulk"))
        form = aiohttp.FormData()
        form.add_field("form_token", await self.panel.world.token_of("/bulk"))
        form.add_field("key", key)
        form.add_field("reason", reason)
        form.add_field("file", content.encode() if isinstance(content, str) else content, filename=name)
        answer = await self.panel.world.http.post(f"{self.panel.world.url}/bulk", data=form, allow_redirects=False)
        return answer.status, answer.headers.get("Location") or await answer.text()

    async def job(self, content: str | bytes, **values: Any) -> str:
        """The page of a new job."""
        status, url = await self.upload(content, **values)
        assert status == 303, url
        return url

    async def step(self, url: str, name: str, version: str | None = None, **fields: str) -> tuple[int, str]:
        """Send a form of the job's page, as somebody who sees it now."""
        if version is None:
            (version, *_) = VERSION.findall(await self.panel.get(url)) or ["0"]
        answer = await self.panel.world.post(f"{url}/{name}", {"version": version, **fields})
        return answer.status, await answer.text()

    async def steps(self, url: str, *names: str) -> None:
        for name in names:
            status, page = await self.step(url, name)
            assert status == 303, (name, page)

    async def approved(self, content: str | bytes) -> str:
        """A job that a second person has approved."""
        self.panel.become("anna")
        url = await self.job(content)
        await self.checked()
        await self.steps(url, "ask")
        self.panel.become("boris")
        await self.steps(url, "approve")
        self.panel.become("anna")
        return url

    async def checked(self) -> None:
        """The dry runs are made."""
        await self.look()
        await self.look()

    async def look(self, per_s: int = 1_000) -> None:
        """One look of the scheduler's job, of a process that has just begun."""
        await BulkRefunds(self.engine, self.kafka, per_s).look()

    async def deliver(self) -> None:
        """Payments decide on what is new in Kafka, and the provider answers."""
        agent = await self.panel.stream.agent(now=utc_now)
        new, self.kafka.delivered = self.kafka.sent[self.kafka.delivered :], len(self.kafka.sent)
        seen = len(self.panel.stream.publisher.published)
        await agent.process([self.panel.stream.log.write_raw(bytes(message.value)) for message in new])
        answers = []
        for output in self.panel.stream.publisher.published[seen:]:
            envelope = decode_envelope(bytes(output.value))
            if output.topic == "billing.provider.requests":
                asked = msgspec.json.decode(envelope.data)
                if asked["action"] == Action.REFUND:
                    answers.append(
                        ProviderResult(
                            UUID(asked["payment_id"]), UUID(asked["operation_id"]), asked["provider"], Action.REFUND,
                            self.outcome, reason="declined" if self.outcome is Outcome.DECLINED else None,
                        )
                    )  # fmt: skip
        if answers:
            await self.panel.stream.deliver(agent, *answers)

    async def is_due(self) -> None:
        """Rows that may go on are looked at now."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text("UPDATE bulk_rows SET due_at = now() WHERE state = 'sent' OR code = 'dead_letter'")
            )

    async def carried_out(self, rounds: int = 12) -> None:
        """Until nothing is left to do."""
        for _ in range(rounds):
            await self.look()
            await self.deliver()
            await self.is_due()
        await self.look()

    async def rows(self, url: str) -> list[Row]:
        async with self.engine.connect() as connection:
            return await page_of_rows(connection, UUID(url.rsplit("/", 1)[1]), 0, 100_000)

    async def states(self, url: str) -> dict[int, str]:
        """Line → state and code."""
        return {row.number: f"{row.state}{f' {row.code}' if row.code else ''}" for row in await self.rows(url)}


def lines(*rows: str) -> str:
    return HEADER + "".join(f"{row}\n" for row in rows)
