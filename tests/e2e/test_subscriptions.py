"""Subscribers live a year by a test clock on the running stack: renewals, and a cancellation. Then everything is compared: the
provider's book, ours, ClickHouse and the signals' queues."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from tests.conftest import Stack
from tests.support.shop import audited

PATIENCE_S = 240
START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
YEAR = timedelta(days=366)


class Cinema:
    """A plan, a clock, and the REST API."""

    def __init__(self, stack: dict[str, Any], http: aiohttp.ClientSession, books: asyncpg.Connection) -> None:
        self.urls, self.key = stack["urls"], stack["api_key"]
        self.http, self.books = http, books
        self.clock = uuid4()
        self.run = uuid4().hex[:8]

    async def post(self, path: str, body: dict[str, Any], status: int, wait: int = 20) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Idempotency-Key": uuid4().hex,
            "Prefer": f"wait={wait}",
        }
        async with self.http.post(f"{self.urls['ingest']}/v1{path}", json=body, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def get(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.get(f"{self.urls['ingest']}/v1{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def subscribe(self, customer: str) -> str:
        """The customer subscribes and pays the page."""
        body = {
            "customer_id": f"{customer}-{self.run}",
            "plan": f"cinema-{self.run}",
            "currency": "RUB",
            "provider": "yookassa",
            "consent": {"terms_sha256": "ab" * 32},
            "contact": {"email": "ann@cinema.example"},
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/unpaid"},
            "test_clock": str(self.clock),
        }
        opened = await self.post("/subscriptions", body, 201)
        async with self.http.post(
            opened["latest_payment"]["payment_url"], data={"outcome": "pay"}, allow_redirects=False
        ) as paid:
            assert paid.status == 303, await paid.text()
        await self.until(opened["id"], "ACTIVE")
        return str(opened["id"])

    async def until(self, id: str, status: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while await self.books.fetchval("SELECT status FROM subscriptions WHERE id = $1", UUID(id)) != status:
            assert time.monotonic() < deadline, f"{id} is not {status}"
            await asyncio.sleep(0.2)

    async def advance(self, to: datetime) -> None:
        """Move the clock, and wait until all that happens up to then has happened."""
        await self.books.execute("UPDATE test_clocks SET target_at = $2 WHERE id = $1", self.clock, to)
        deadline = time.monotonic() + PATIENCE_S
        while await self.books.fetchval("SELECT now_at FROM test_clocks WHERE id = $1", self.clock) < to:
            assert time.monotonic() < deadline, "the clock stands still"
            await asyncio.sleep(0.5)

    async def periods(self, id: str) -> list[dict[str, Any]]:
        return [dict(p) for p in (await self.get(f"/subscriptions/{id}/periods"))["data"]]


@pytest.fixture
async def cinema(running: Stack, stack: dict[str, Any]) -> AsyncIterator[Cinema]:
    books = await asyncpg.connect(stack["urls"]["postgres"])
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        one = Cinema(stack, http, books)
        await one.post("/plans", {"id": f"cinema-{one.run}", "title": "Cinema"}, 201)
        await one.post(
            f"/plans/cinema-{one.run}/prices", {"currency": "RUB", "amount": 39_900, "products": ["cinema"]}, 201
        )
        await books.execute(
            "INSERT INTO test_clocks (id, client_id, name, now_at, target_at, created_at) "
            "SELECT $1, client_id, 'a year', $2, $2, now() FROM plans WHERE id = $3",
            one.clock,
            START,
            f"cinema-{one.run}",
        )
        yield one
    await books.close()


async def test_a_year_of_subscribers(running: Stack, cinema: Cinema) -> None:
    faithful, leaving = await cinema.subscribe("faithful"), await cinema.subscribe("leaving")
    await cinema.advance(START + timedelta(days=40))
    cancelled = await cinema.post(f"/subscriptions/{leaving}/cancel", {"when": "AT_END"}, 200)
    assert cancelled["refunded"] == 0
    await cinema.advance(START + YEAR)

    periods = await cinema.periods(faithful)
    assert len(periods) == 13
    starts = [period["start_at"][:10] for period in periods]
    assert starts[:3] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    ended = await cinema.get(f"/subscriptions/{leaving}")
    assert (ended["status"], len(await cinema.periods(leaving))) == ("ENDED", 2)

    paid = await cinema.books.fetch(
        """SELECT p.captured - p.refunded AS kept FROM payments p JOIN orders o ON o.id = p.order_id
           WHERE o.subscription->>'id' = ANY($1)""",
        [faithful, leaving],
    )
    assert [row["kept"] for row in paid] == [39_900] * 15
    assert audited(running) == []
