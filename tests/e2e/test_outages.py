"""Postgres, Kafka and RabbitMQ stop for a while under load and start again: nobody is forgotten, nothing doubled."""

import asyncio

import psutil

from tests.conftest import Stack
from tests.e2e.shop import a_shop, audited

AWAY_S = 20
#: Spread over the outage and some seconds on both sides.
PAYMENTS = 100
PAUSE_S = 0.3


async def stopped_for_a_while(running: Stack, part: str) -> None:
    """The server stops answering without closing a connection, is killed after a while, and comes back."""
    process = psutil.Process(running.pid(part))
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    await asyncio.sleep(AWAY_S)
    for member in family:
        member.kill()
    await asyncio.to_thread(running.up)


async def test_parts_away_for_twenty_seconds_each_cost_nothing_but_time(running: Stack, stack):
    async with a_shop(stack) as shop:
        selling = asyncio.create_task(shop.sell(PAYMENTS, PAUSE_S))
        outages = []
        for part in ("postgres", "rabbitmq", "kafka"):  # they overlap: two are away at once for a while
            await asyncio.sleep(AWAY_S * 3 / 4)
            outages.append(asyncio.create_task(stopped_for_a_while(running, part)))
        await asyncio.gather(*outages)
        await selling
        assert await shop.settled("CAPTURED") == {"CAPTURED": PAYMENTS}
        orders = await shop.orders()
        assert len(orders) == PAYMENTS
        assert all(order["captured"] == order["amount"] for order in orders)
    assert audited(running) == []
