"""Test clocks on a real Postgres: what makes them, and how far they go."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.subscriptions.prices import subscription_id
from storage import test_clocks
from storage.subscriptions.lists import SubscriptionFilters, list_subscriptions
from storage.test_clocks import EARLIEST, FURTHEST, LATEST, ClockRefused, TestClock
from tests.integration.streams.subscriptions.test_agent import World
from tests.support.subscriptions import CLIENT, CUSTOMER, NOW, subscribe


def a_clock(**changes: Any) -> TestClock:
    at = changes.pop("at", NOW)
    values = {"id": uuid4(), "client_id": CLIENT, "name": "a test", "now_at": at, "target_at": at, "created_at": NOW}
    return TestClock(**(values | changes))


async def create(engine: Any, clock: TestClock, fingerprint: str = "one") -> bool:
    async with engine.begin() as connection:
        return await test_clocks.create(connection, clock, fingerprint)


async def advance(engine: Any, clock: TestClock, to: Any) -> None:
    async with engine.begin() as connection:
        await test_clocks.advance(connection, clock.id, to)


async def read(engine: Any, clock: TestClock, client: str | None = CLIENT) -> Any:
    async with engine.connect() as connection:
        return await test_clocks.read(connection, client, clock.id)


async def test_a_repeat_makes_no_second_clock_and_leaves_the_first_where_it_is(database: Any) -> None:
    clock = a_clock()
    assert await create(database, clock)
    await advance(database, clock, NOW + timedelta(days=1))
    assert not await create(database, a_clock(id=clock.id, at=NOW + timedelta(hours=1)))
    with pytest.raises(ClockRefused, match="idempotency_key_reused"):
        await create(database, clock, "two")

    found = await read(database, clock)
    assert (found.clock.now_at, found.clock.target_at, found.has_arrived) == (NOW, NOW + timedelta(days=1), False)
    assert await read(database, clock, "another client") is None
    assert (await read(database, clock, None)) == found


async def test_two_requests_at_once_make_one_clock(database: Any) -> None:
    clock = a_clock()
    assert sorted(await asyncio.gather(*(create(database, clock) for _ in range(4)))) == [False, False, False, True]


async def test_a_clock_goes_five_years_at_once_and_never_back_or_out_of_the_calendar(database: Any) -> None:
    clock = a_clock()
    await create(database, clock)
    second = timedelta(seconds=1)
    with pytest.raises(ClockRefused, match="more than five years"):
        await advance(database, clock, NOW + FURTHEST + second)
    await advance(database, clock, NOW + FURTHEST)
    await advance(database, clock, NOW + FURTHEST)
    with pytest.raises(ClockRefused, match="never goes back"):
        await advance(database, clock, NOW + FURTHEST - second)
    assert (await read(database, clock)).clock.target_at == NOW + FURTHEST

    last = a_clock(at=LATEST)
    await create(database, last)
    with pytest.raises(ClockRefused, match="later than 2100"):
        await advance(database, last, LATEST + second)
    for at in (EARLIEST - second, LATEST + second):
        with pytest.raises(ClockRefused, match="between 2000 and 2100"):
            await create(database, a_clock(at=at))


async def test_of_two_at_once_the_one_that_goes_less_far_does_not_take_the_clock_back(database: Any) -> None:
    clock = a_clock()
    await create(database, clock)
    targets = [NOW + timedelta(days=days) for days in (30, 1, 20, 10)]
    await asyncio.gather(*(advance(database, clock, to) for to in targets), return_exceptions=True)
    assert (await read(database, clock)).clock.target_at == max(targets)


async def test_a_clock_counts_its_subscriptions_and_has_room_for_so_many(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, other = a_clock(), a_clock()
    await create(database, clock)
    world = World(database)
    agent = await world.agent()
    ids = []
    for number, clock_id in enumerate((clock.id, clock.id, other.id, None)):
        customer = f"{CUSTOMER}-{number}"
        ids.append(subscription_id(CLIENT, "cinema", customer))
        command = subscribe(subscription_id=ids[-1], customer_id=customer, clock_id=clock_id, at=NOW)
        await world.deliver(agent, command)

    found = await read(database, clock)
    assert (found.subscriptions, found.charges_open) == (2, 2)
    async with database.connect() as connection:
        listed = await list_subscriptions(connection, CLIENT, SubscriptionFilters(clock_id=clock.id), None, 10)
        assert {s.id for s in listed} == set(ids[:2])
        assert await test_clocks.has_room(connection, clock.id, uuid4())
        monkeypatch.setattr(test_clocks, "MAX_SUBSCRIPTIONS", 2)
        assert not await test_clocks.has_room(connection, clock.id, uuid4())
        assert await test_clocks.has_room(connection, clock.id, ids[0]), "it lives by the clock already"
