"""A shop on the running stack: posts payments, which the sandbox' own customers pay, and looks at how they end."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from billing.messages import Envelope, RefundPayment
from billing.messages.topics import INBOX
from runtime.clock import utc_now
from tests.conftest import Stack
from tests.e2e.test_bad_input import BODY

PATIENCE_S = 120
FINAL = {"CAPTURED", "REFUNDED", "FAILED", "VOIDED", "EXPIRED"}


class Shop:
    """Payments of one test, and what became of them at the provider and in our books."""

    def __init__(self, stack: dict[str, Any], http: aiohttp.ClientSession, ingest: Sequence[str] = ()) -> None:
        self.payments: list[str] = []
        self._urls = stack["urls"]
        self._ingest = cycle(ingest or (self._urls["ingest"],))
        self._numbers = count()
        self._key = stack["api_key"]
        self._http = http
        self._run = uuid4().hex

    async def sell(self, payments: int, pause_s: float = 0.0) -> None:
        """Post payments one after another; tries again until the service takes each."""
        for _ in range(payments):
            self.payments.append(await self._sell(next(self._numbers)))
            await asyncio.sleep(pause_s)

    async def refund(self, payments: Sequence[str]) -> None:
        """Ask for these payments' money back."""
        producer = AIOKafkaProducer(bootstrap_servers=self._urls["kafka"], acks="all")
        await producer.start()
        for id in payments:
            message = RefundPayment(UUID(id), uuid4(), "a test")
            envelope = Envelope.wrap(message, id=uuid4().hex, source="/test", subject=id, time=utc_now())
            await producer.send(INBOX.name, envelope.encode(), key=id.encode())
        await producer.stop()

    async def settled(self, status: str) -> Counter[str]:
        """Wait until all payments have this status; what they have, if it takes too long."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = await self.statuses()
            if found[status] == len(self.payments) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.5)

    async def statuses(self) -> Counter[str]:
        """How many payments have each status in Postgres."""
        connection = await asyncpg.connect(self._urls["postgres"])
        try:
            rows = await connection.fetch("SELECT status FROM payments WHERE id = ANY($1::uuid[])", self.payments)
        finally:
            await connection.close()
        return Counter(row["status"] for row in rows)

    async def orders(self) -> list[dict[str, Any]]:
        """What the provider did for these payments, in its own record."""
        connection = await asyncpg.connect(self._urls["postgres"])
        try:
            rows = await connection.fetch("SELECT order_ref FROM payments WHERE id = ANY($1::uuid[])", self.payments)
        finally:
            await connection.close()
        found: list[dict[str, Any]] = []
        for row in rows:
            url, params = f"{self._urls['sandbox']}/_sandbox/book", {"order_id": row["order_ref"]}
            async with self._http.get(url, params=params) as answer:
                found += (await answer.json())["orders"]
        return found

    async def customers(self, mode: str) -> None:
        """Send a customer to every new order (``auto``), or none (``manual``)."""
        url = f"{self._urls['sandbox']}/_sandbox/customers"
        async with self._http.post(url, json={"mode": mode}) as answer:
            answer.raise_for_status()

    async def _sell(self, number: int) -> str:
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Idempotency-Key": f"{self._run}-{number}",
            "Prefer": "respond-async",
        }
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with self._http.post(f"{next(self._ingest)}/v1/payments", json=BODY, headers=headers) as answer:
                    if answer.status in (201, 202):
                        return str((await answer.json())["id"])
                    assert answer.status == 503, await answer.text()
            except aiohttp.ClientError:
                pass
            assert time.monotonic() < deadline, "the service takes no payments"
            await asyncio.sleep(0.2)


@asynccontextmanager
async def a_shop(stack: dict[str, Any], ingest: Sequence[str] = ()) -> AsyncIterator[Shop]:
    """A shop whose customers pay as soon as they can. ``ingest``: addresses of the service, used in turn."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        shop = Shop(stack, http, ingest)
        await shop.customers("auto")
        try:
            yield shop
        finally:
            await shop.customers("manual")


def audited(running: Stack) -> list[dict[str, Any]]:
    """What the auditor finds once the consumers have caught up."""
    verified = running.billing("verify", "--json", "--wait", "60")
    assert verified.returncode in (0, 1), verified.stderr
    violations: list[dict[str, Any]] = json.loads(verified.stdout)["violations"]
    return violations
