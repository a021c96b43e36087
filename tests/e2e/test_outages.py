"""Postgres, Kafka and RabbitMQ stop for a while under load and start again: nobody is forgotten, nothing doubled."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import psutil

from tests.conftest import Stack
from tests.e2e.test_bad_input import BODY
from tests.support.shop import a_shop, audited

AWAY_S = 20
#: Spread over the outage and some seconds on both sides.
PAYMENTS = 100
PAUSE_S = 0.3
#: How soon a request is refused that cannot be stored, and how many are sent to see it.
REFUSED_WITHIN_S = 2.0
TRIES = 5
PATIENCE_S = 60.0


@asynccontextmanager
async def stopped(running: Stack, part: str) -> AsyncIterator[None]:
    """The server stops answering without closing a connection; in the end it is killed, and comes back."""
    process = psutil.Process(running.pid(part))
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.kill()
        await asyncio.to_thread(running.up)


async def stopped_for_a_while(running: Stack, part: str) -> None:
    """A part is stopped for :data:`AWAY_S`."""
    async with stopped(running, part):
        await asyncio.sleep(AWAY_S)


async def test_parts_away_for_twenty_seconds_each_cost_nothing_but_time(running: Stack, stack):
    async with a_shop(stack) as shop:
        selling = asyncio.create_task(shop.sell(PAYMENTS, PAUSE_S))
        outages = []
        for part in ("postgres", "rabbitmq", "kafka"):  # they overlap: all are away at once for a while
            await asyncio.sleep(AWAY_S / 4)
            outages.append(asyncio.create_task(stopped_for_a_while(running, part)))
        await asyncio.gather(*outages)
        await selling
        assert await shop.settled("CAPTURED") == {"CAPTURED": PAYMENTS}
        orders = await shop.orders()
        assert len(orders) == PAYMENTS
        assert all(order["captured"] == order["amount"] for order in orders)
    assert audited(running) == []


@dataclass
class Client:
    """A client that asks without waiting for outcomes, and a provider that calls back."""

    http: aiohttp.ClientSession
    url: str
    api_key: str

    async def order(self, key: str) -> tuple[int, str]:
        """Status of a command with this key, and the payment's id where there is one."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key, "Prefer": "respond-async"}
        async with self.http.post(f"{self.url}/v1/payments", json=BODY, headers=headers) as answer:
            return answer.status, (await answer.json()).get("id", "")

    async def call_back(self) -> int:
        """Status of a callback about a payment nobody knows."""
        told = {"type": "notification", "event": "payment.succeeded", "object": {"id": uuid4().hex, "status": "x"}}
        async with self.http.post(f"{self.url}/webhooks/yookassa", json=told) as answer:
            return answer.status

    async def reasons(self) -> list[str]:
        """Why the service is not ready."""
        async with self.http.get(f"{self.url}/readyz") as answer:
            reasons: list[str] = (await answer.json())["reasons"]
            return reasons

    async def has(self, id: str) -> bool:
        """Whether a payment is in the books."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with self.http.get(f"{self.url}/v1/payments/{id}", headers=headers) as answer:
            return answer.status == 200


async def quickest(ask: Any) -> float:
    """Seconds that the quickest of some refusals took: the others may have waited for the machine."""
    took = []
    for _ in range(TRIES):
        started = time.monotonic()
        assert await ask() == 503
        took.append(time.monotonic() - started)
    return min(took)


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.1)


async def test_without_kafka_nothing_is_accepted_that_is_not_stored_and_with_it_all_goes_on(running: Stack, stack):
    ingest = running.pid("ingest")
    run, asked, accepted = uuid4().hex, 0, {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        client = Client(http, stack["urls"]["ingest"], stack["api_key"])

        async def order() -> int:
            nonlocal asked
            asked += 1
            status, id = await client.order(f"{run}-{asked}")
            if status != 503:
                accepted[f"{run}-{asked}"] = id
            return status

        async def is_taken() -> bool:
            return await order() == 202

        assert await order() == 202
        async with stopped(running, "kafka"):
            assert await quickest(order) < REFUSED_WITHIN_S
            assert await quickest(client.call_back) < REFUSED_WITHIN_S
            assert "Kafka does not answer" in await client.reasons()
        assert len(accepted) == 1, "nothing was accepted that could not be stored"
        await until(is_taken)
        assert await client.call_back() == 200
        assert running.pid("ingest") == ingest, "it went on by itself"

        for key in (f"{run}-{number}" for number in range(1, asked + 1)):
            status, id = await client.order(key)  # those that were refused are sent again, as they were told
            assert status == 202
            assert accepted.setdefault(key, id) == id
        for id in accepted.values():
            await until(partial(client.has, id))
    assert audited(running) == []
