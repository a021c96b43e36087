"""Test clocks: a subscription with a clock lives by it, in the time that its payments take."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.subscriptions import simulation
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.prices import price_id, subscription_id
from billing.subscriptions.vocabulary import Status
from reconciliation.test_clocks import TestClocks
from storage import test_clocks
from storage.test_clocks import ClockRefused, TestClock
from tests.support.renewals import RenewalWorld, WakeUps
from tests.support.subscriptions import CLIENT, NOW, price, subscribe

YEAR = timedelta(days=365)


class Delivering(WakeUps):
    """Kafka and the agent at once: what the driver publishes is processed, and its payments answered."""

    def __init__(self, world: RenewalWorld) -> None:
        super().__init__()
        self._world = world

    async def publish(self, outputs: Any) -> None:
        await super().publish(outputs)
        self._world.wake_ups = self
        await self._world.take()


async def a_clock(world: RenewalWorld, customers: int) -> tuple[TestClock, list[UUID]]:
    clock = TestClock(uuid4(), CLIENT, "test", NOW, NOW, NOW)
    async with world.engine.begin() as connection:
        await test_clocks.create(connection, clock)
    ids = await world.subscribed(customers, timedelta(0), at=NOW, clock_id=clock.id)
    return clock, ids


async def advance(world: RenewalWorld, clock: TestClock, by: timedelta) -> TestClock:
    async with world.engine.begin() as connection:
        await test_clocks.advance(connection, clock.id, clock.target_at + by)
    driver = TestClocks(world.engine, Delivering(world), world.metrics)  # type: ignore[arg-type]
    await driver.drive()
    async with world.engine.connect() as connection:
        found = await test_clocks.find(connection, CLIENT, clock.id)
    assert found is not None
    return found


async def test_a_year_of_a_clock_is_twelve_renewals_each_at_its_time(world: RenewalWorld) -> None:
    clock, ids = await a_clock(world, 5)
    after = await advance(world, clock, YEAR + timedelta(hours=20))
    assert after.now_at == after.target_at == NOW + YEAR + timedelta(hours=20)
    assert world.renewals() == dict.fromkeys(ids, 12)
    for subscription in await world.subscriptions(ids):
        assert subscription.period is not None
        assert subscription.period.number == 13
    charged = await world.execute(
        "SELECT min(requested_at), max(requested_at) FROM renewal_attempts WHERE purpose = 'RENEWAL'"
    )
    ((first, last),) = charged
    assert NOW + timedelta(days=28) <= first <= NOW + timedelta(days=29)
    assert NOW + YEAR <= last <= after.now_at
    assert world.letters()["renewed"] == 5 * 12


async def test_dunning_runs_by_the_clock_to_its_end(world: RenewalWorld) -> None:
    clock, ids = await a_clock(world, 3)
    world.respond = lambda _: "insufficient_funds"
    await advance(world, clock, timedelta(days=60))
    assert {s.status for s in await world.subscriptions(ids)} == {Status.ENDED}
    assert world.renewals() == dict.fromkeys(ids, 7)
    assert world.letters()["on_hold"] == 3


async def test_a_clock_waits_for_its_charges(world: RenewalWorld) -> None:
    clock, ids = await a_clock(world, 1)
    async with world.engine.begin() as connection:
        await test_clocks.advance(connection, clock.id, NOW + timedelta(days=60))
    driver = TestClocks(world.engine, world.wake_ups, world.metrics)  # type: ignore[arg-type]
    async with world.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for _ in range(10):
            (advancing,) = await test_clocks.advancing(connection)
            await driver.look(connection, advancing)
            await world.process()  # and no payment is answered
        (advancing,) = await test_clocks.advancing(connection)
        assert (await test_clocks.waiting(connection, clock.id)).charges == 1
        assert NOW + timedelta(days=28) <= advancing.now_at <= NOW + timedelta(days=29)
        await world.settle()
        await driver.look(connection, advancing)
        (advancing,) = await test_clocks.advancing(connection)
        assert advancing.now_at > NOW + timedelta(days=50)
    assert world.renewals() == dict.fromkeys(ids, 1)


async def test_a_clock_never_goes_back(world: RenewalWorld) -> None:
    clock, _ = await a_clock(world, 1)
    after = await advance(world, clock, timedelta(days=10))
    async with world.engine.begin() as connection:
        with pytest.raises(ClockRefused, match="never goes back"):
            await test_clocks.advance(connection, clock.id, after.target_at - timedelta(seconds=1))
        assert not await test_clocks.move(connection, clock.id, after.now_at - timedelta(days=1))


async def test_a_customer_whose_charge_is_open_keeps_no_other_customer_waiting(world: RenewalWorld) -> None:
    clock, (waiting, other) = await a_clock(world, 2)
    async with world.engine.begin() as connection:
        await test_clocks.advance(connection, clock.id, NOW + YEAR)
    driver = TestClocks(world.engine, world.wake_ups, world.metrics)  # type: ignore[arg-type]
    first = len(world.asked())
    async with world.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for _ in range(30):
            (advancing,) = await test_clocks.advancing(connection)
            await driver.look(connection, advancing)
            await world.process()
            charges = world.asked()[first:]
            first += len(charges)
            answered = [charge for charge in charges if charge.order.customer_id == "customer-1"]
            await world.deliver(*(simulation.captured(charge, NOW) for charge in answered))
        (advancing,) = await test_clocks.advancing(connection)
    assert world.renewals() == {waiting: 1, other: 11}
    assert NOW + timedelta(days=28) <= advancing.now_at <= NOW + timedelta(days=29), "where the open charge was made"


async def test_the_subscriptions_of_one_customer_take_turns(world: RenewalWorld) -> None:
    """Both may charge one card, and its tries are counted up to the time of the next."""
    clock, _ = await a_clock(world, 1)
    weekly = Cadence(Unit.WEEK, 1)
    sport = price(9_900, weekly, id=price_id(CLIENT, "sport", "RUB", 1), plan="sport", group="sport")
    second = subscription_id(CLIENT, "sport", "customer-0")
    world.now = lambda: NOW
    await world.deliver(
        subscribe(subscription_id=second, customer_id="customer-0", price=sport, clock_id=clock.id, at=NOW)
    )
    await world.settle()
    await advance(world, clock, YEAR)
    times = dict(await world.execute("SELECT payment_id, requested_at FROM renewal_attempts WHERE purpose = 'RENEWAL'"))
    charged = [times[payment.payment_id] for payment in world.asked() if payment.payment_id in times]
    assert len(charged) == 11 + 52
    assert charged == sorted(charged)
