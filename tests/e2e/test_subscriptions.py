"""Subscribers live a year by a test clock on the running stack: renewals, and a cancellation. Then everything is compared: the
provider's book, ours, ClickHouse and the signals' queues."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.conftest import Stack
from tests.support.cinema import Cinema
from tests.support.shop import audited

START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
YEAR = timedelta(days=366)


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
