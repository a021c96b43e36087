"""The outcome of the demo's payments as each service recorded it, never from the demo's own memory."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

import aio_pika
import aiohttp
import msgspec
from aio_pika.abc import AbstractIncomingMessage
from clickhouse_connect.driver import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from billing.signals import ALLOW_ACCESS_KEY, PAYMENT_SUCCEEDED_KEY
from sinks.rabbitmq.publisher import SIGNALS
from storage.inspection.demo import PaymentFacts, payments_of

#: RabbitMQ deletes the demo's queue after this time without use, milliseconds.
QUEUE_EXPIRES_MS: Final = 3_600_000


@dataclass
class Signals:
    """Signals that a plain consumer received: message ids by kind. A repeated id is one signal delivered twice."""

    seen: dict[str, dict[str, str]] = field(default_factory=dict)
    redelivered: int = 0

    def take(self, message: AbstractIncomingMessage, customers: set[str]) -> None:
        body = msgspec.json.decode(message.body)
        if body.get("customer_id") not in customers:
            return
        ids = self.seen.setdefault(message.routing_key or "", {})
        if message.message_id in ids:
            self.redelivered += 1
        ids[str(message.message_id)] = str(message.correlation_id)

    def count(self, kind: str) -> int:
        return len(self.seen.get(kind, {}))

    def payments(self, kind: str) -> Counter[str]:
        """Payment id → signals of this kind with different ids."""
        return Counter(self.seen.get(kind, {}).values())


@dataclass(frozen=True)
class Report:
    """The figures of ``billing demo --json``. Each comment names the service it is counted in."""

    accepted: int  # Postgres
    captured: int  # Postgres
    declined: int  # Postgres
    abandoned: int  # sandbox
    pending: int  # Postgres
    signals_auth: int  # RabbitMQ
    signals_notify: int  # RabbitMQ
    clickhouse_operations: int  # ClickHouse
    lost: int
    duplicates: int
    problems: tuple[str, ...]


@dataclass
class Evidence:
    """Open connections to every service that records something."""

    engine: AsyncEngine
    clickhouse: AsyncClient
    rabbitmq: aio_pika.abc.AbstractRobustConnection
    http: aiohttp.ClientSession
    sandbox_url: str
    customers: set[str]
    since: datetime
    signals: Signals = field(default_factory=Signals)

    @classmethod
    async def open(
        cls,
        engine: AsyncEngine,
        urls: dict[str, str],
        run: str,
        customers: Sequence[str],
        http: aiohttp.ClientSession,
        since: datetime,
    ) -> Self:
        """Connect, and consume signals before the first payment."""
        clickhouse = await connect(urls["clickhouse"])
        rabbitmq = await aio_pika.connect_robust(urls["rabbitmq"])
        evidence = cls(engine, clickhouse, rabbitmq, http, urls["sandbox"], set(customers), since)
        channel = await rabbitmq.channel()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.declare_queue(f"demo.{run}", durable=True, arguments={"x-expires": QUEUE_EXPIRES_MS})
        await queue.bind(SIGNALS.exchange, "#")
        await queue.consume(evidence._on_signal)
        return evidence

    async def close(self) -> None:
        await self.rabbitmq.close()
        await self.clickhouse.close()

    async def _on_signal(self, message: AbstractIncomingMessage) -> None:
        self.signals.take(message, self.customers)
        await message.ack()

    async def report(self, accepted_by_api: set[str]) -> Report:
        """Count and compare. ``problems`` is empty if all services agree."""
        async with self.engine.connect() as connection:
            payments = await payments_of(connection, sorted(self.customers))
        orders, operations = await asyncio.gather(self._orders(payments), self._operations())
        status = Counter(payment.status for payment in payments)
        lost, duplicates = self._compare(payments, orders, operations, accepted_by_api)
        return Report(
            accepted=len(payments),
            captured=status["CAPTURED"],
            declined=status["FAILED"],
            abandoned=sum(order["customer"] == "walks_away" for order in orders.values()),
            pending=status["PENDING"],
            signals_auth=self.signals.count(ALLOW_ACCESS_KEY),
            signals_notify=self.signals.count(PAYMENT_SUCCEEDED_KEY),
            clickhouse_operations=operations,
            lost=len(lost),
            duplicates=len(duplicates),
            problems=(*lost, *duplicates),
        )

    async def _orders(self, payments: Sequence[PaymentFacts]) -> dict[str, dict[str, Any]]:
        """These orders in the provider's own record."""
        query = {"since": str(self.since.timestamp() - 1), "limit": "100000"}
        async with self.http.get(f"{self.sandbox_url}/_sandbox/book", params=query) as response:
            response.raise_for_status()
            body = await response.json()
        ours = {payment.order_ref for payment in payments}
        return {order["order_id"]: order for order in body["orders"] if order["order_id"] in ours}

    async def _operations(self) -> int:
        result = await self.clickhouse.query(
            "SELECT count() FROM operations WHERE customer_id IN {customers:Array(String)}",
            parameters={"customers": sorted(self.customers)},
        )
        return int(result.result_rows[0][0])

    def _compare(
        self,
        payments: Sequence[PaymentFacts],
        orders: dict[str, dict[str, Any]],
        clickhouse_operations: int,
        accepted_by_api: set[str],
    ) -> tuple[list[str], list[str]]:
        lost = [f"{id}: accepted by the API, not in Postgres" for id in accepted_by_api - {str(p.id) for p in payments}]
        doubled = []
        auth, paid = self.signals.payments(ALLOW_ACCESS_KEY), self.signals.payments(PAYMENT_SUCCEEDED_KEY)
        for payment in payments:
            id = str(payment.id)
            order = orders.get(payment.order_ref)
            charged = 0 if order is None else order["captured"]
            if charged > payment.captured:
                lost.append(f"{id}: the provider captured {charged}, Postgres has {payment.captured}")
            if charged < payment.captured or charged > payment.amount or payment.captures > 1:
                doubled.append(
                    f"{id}: amount {payment.amount}, {charged} captured at the provider, {payment.captured} in Postgres"
                )
            expected = 1 if payment.captured else 0
            for name, seen in (("auth", auth[id]), ("notify", paid[id])):
                if seen < expected:
                    lost.append(f"{id}: no {name} signal")
                if seen > expected:
                    doubled.append(f"{id}: {seen} {name} signals")
            if order is not None and order["status"] == "FAILED" and payment.status == "PENDING":
                lost.append(f"{id}: declined at the provider, still pending in Postgres")
        operations = sum(payment.operations for payment in payments)
        lost += [f"{operations - clickhouse_operations} operations not in ClickHouse"] * (
            clickhouse_operations < operations
        )
        doubled += [f"{clickhouse_operations - operations} surplus operations in ClickHouse"] * (
            clickhouse_operations > operations
        )
        return lost, doubled
