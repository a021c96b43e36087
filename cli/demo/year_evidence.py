"""The subscribers' year as each service recorded it, never from the demo's own memory."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

import aio_pika
import msgspec
from aio_pika.abc import AbstractIncomingMessage
from clickhouse_connect.driver import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from backoffice.audit.provider import Record
from billing.signals import notice_key
from cli.demo.evidence import QUEUE_EXPIRES_MS
from cli.demo.subscribers import AMOUNT, Path, Subscribers, path
from sinks.rabbitmq.publisher import SIGNALS
from storage.inspection.demo import ChargeFacts, SubscriberFacts, charges_of, subscribers_of

#: The letters that say that a renewal was paid.
_RECEIPTS: Final = frozenset((notice_key("renewed"), notice_key("recovered")))
#: Who subscribes on it is there when the year opens.
_FIRST_DAY: Final = timedelta(days=1)
#: Months in the yearly run rate, of which the monthly one is a part.
_MONTHS: Final = 12


@dataclass(frozen=True)
class YearReport:
    """The figures of the year. Each comment names the service it is counted in. ``mrr``: minor units; the opening of the
    year, its movements and its closing."""

    subscribers: int  # Postgres
    active: int  # Postgres
    renewals: int  # Postgres
    recovered: int  # Postgres
    lost: int  # Postgres
    cancelled: int  # Postgres
    method_removed: int  # Postgres
    charged: int  # sandbox, minor units
    receipts: int  # RabbitMQ
    periods: int  # ClickHouse
    mrr: dict[str, int]  # ClickHouse
    problems: tuple[str, ...]


@dataclass
class YearEvidence:
    """Open connections to every service that records something."""

    engine: AsyncEngine
    clickhouse: AsyncClient
    rabbitmq: aio_pika.abc.AbstractRobustConnection
    sandbox_url: str
    people: Subscribers
    start: datetime
    #: Message ids of the receipts that a plain consumer got.
    receipts: set[str] = field(default_factory=set)

    @classmethod
    async def open(
        cls,
        engine: AsyncEngine,
        urls: dict[str, str],
        people: Subscribers,
        start: datetime,
    ) -> Self:
        """Connect, and consume signals before the first subscription."""
        clickhouse = await connect(urls["clickhouse"])
        rabbitmq = await aio_pika.connect_robust(urls["rabbitmq"])
        evidence = cls(engine, clickhouse, rabbitmq, urls["sandbox"], people, start)
        channel = await rabbitmq.channel()
        await channel.set_qos(prefetch_count=500)
        name = f"demo.{people.run}"
        queue = await channel.declare_queue(name, durable=True, arguments={"x-expires": QUEUE_EXPIRES_MS})
        for key in _RECEIPTS:
            await queue.bind(SIGNALS.exchange, key)
        await queue.consume(evidence._on_signal)
        return evidence

    async def close(self) -> None:
        await self.rabbitmq.close()
        await self.clickhouse.close()

    async def _on_signal(self, message: AbstractIncomingMessage) -> None:
        if msgspec.json.decode(message.body)["data"]["plan"] == self.people.plan:
            self.receipts.add(str(message.message_id))
        await message.ack()

    async def report(self) -> YearReport:
        """Count and compare. ``problems`` is empty if all services agree, and each customer got where their path leads."""
        async with self.engine.connect() as connection:
            subscribers = await subscribers_of(connection, self.people.clock)
            charges = await charges_of(connection, self.people.clock)
        record = Record(self.people.http, self.sandbox_url)
        orders, periods, mrr = await asyncio.gather(
            record.find([charge.order_ref for charge in charges]), self._periods(), self._mrr()
        )
        captured = {order.order_id: order.captured for order in orders}
        ended = Counter(one.end_reason for one in subscribers)
        report = YearReport(
            subscribers=len(subscribers),
            active=sum(one.status == "ACTIVE" for one in subscribers),
            renewals=sum(max(one.periods - 1, 0) for one in subscribers),
            recovered=sum(one.recovered for one in subscribers),
            lost=ended["non_payment"],
            cancelled=ended["cancelled"],
            method_removed=ended["no_method"],
            charged=sum(captured.values()),
            receipts=len(self.receipts),
            periods=periods,
            mrr=mrr,
            problems=(),
        )
        sold = sum(one.periods for one in subscribers)
        problems = (*self._astray(subscribers), *_charged_wrongly(charges, captured), *_disagreeing(report, sold))
        return replace(report, problems=problems)

    def _astray(self, subscribers: list[SubscriberFacts]) -> list[str]:
        """Those who are not where their path leads."""
        leads = {Path.DIES: "non_payment", Path.CANCELS: "cancelled", Path.REMOVES: "no_method"}
        found = {one.customer_id: one.end_reason for one in subscribers}
        problems = []
        for number in range(self.people.count):
            name, expected = self.people.customer(number), leads.get(path(number))
            if found.get(name, "never subscribed") != expected:
                problems.append(f"{name} {path(number)}: {found.get(name, 'never subscribed')}, not {expected}")
        return problems

    async def _periods(self) -> int:
        sql = "SELECT count() FROM subscription_periods WHERE plan = {plan:String} AND status = 'PAID'"
        result = await self.clickhouse.query(sql, parameters={"plan": self.people.plan})
        return int(result.result_rows[0][0])

    async def _mrr(self) -> dict[str, int]:
        """The run rate as it opens, what moved it, and as it closes, by the month."""
        sql = """
            SELECT if(changed_at < {first:DateTime64}, 'opening', toString(movement)) AS kind, sum(arr_after - arr_before)
            FROM subscription_changes WHERE plan = {plan:String} AND arr_after != arr_before
            GROUP BY kind ORDER BY kind"""
        values = {"plan": self.people.plan, "first": self.start + _FIRST_DAY}
        result = await self.clickhouse.query(sql, parameters=values)
        moved = {str(kind): int(arr) // _MONTHS for kind, arr in result.result_rows}
        sql = "SELECT sum(arr) FROM subscriptions WHERE plan = {plan:String}"
        closing = (await self.clickhouse.query(sql, parameters={"plan": self.people.plan})).result_rows[0][0]
        return {"opening": 0} | moved | {"closing": int(closing) // _MONTHS}


def _charged_wrongly(charges: list[ChargeFacts], captured: dict[str, int]) -> Iterator[str]:
    """Charges that Postgres and the provider know differently, and periods that were charged twice."""
    taken: Counter[tuple[UUID, int]] = Counter()
    for charge in charges:
        known = captured.get(charge.order_ref, 0)
        if known != charge.captured:
            yield f"{charge.order_ref}: {known} captured at the provider, {charge.captured} in Postgres"
        taken[charge.subscription_id, charge.period] += known > 0
    for (id, period), times in taken.items():
        if times > 1:
            yield f"{id}: period {period} was charged {times} times"


def _disagreeing(report: YearReport, sold: int) -> Iterator[str]:
    """Figures of other services that are not those of Postgres. ``sold``: periods, there."""
    if report.charged != sold * AMOUNT:
        yield f"{report.charged} charged by the provider, {sold} periods of {AMOUNT} in Postgres"
    if report.receipts != report.renewals:
        yield f"{report.renewals} renewals in Postgres, {report.receipts} receipts in RabbitMQ"
    if report.periods != sold:
        yield f"{sold} periods in Postgres, {report.periods} in ClickHouse"
    *parts, closing = report.mrr.values()
    if sum(parts) != closing:
        yield f"the run rate is {closing}, and its opening and movements add up to {sum(parts)}"
    if closing != report.active * AMOUNT:
        yield f"the run rate is {closing}, and {report.active} subscriptions are active"
