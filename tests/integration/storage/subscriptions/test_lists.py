"""What the API reads of subscriptions, on a real Postgres that the agent wrote."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from billing.messages.subscription_commands import CancelSubscription
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions import simulation
from billing.subscriptions.prices import subscription_id
from storage import test_clocks
from storage.journal.story import timeline_entries
from storage.journal.timeline import journal_of, subscription_changes_after
from storage.payments.lists import Cursor
from storage.subscriptions.lists import (
    SubscriptionFilters,
    attempts_of,
    charged_with,
    find_subscription,
    list_subscriptions,
    periods_of,
)
from tests.integration.streams.subscriptions.test_agent import ID, World
from tests.support.subscriptions import CUSTOMER, NOW, subscribe

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def world(database: Any) -> World:
    """A subscription that was paid, renewed and cancelled."""
    made = World(database)
    agent = await made.agent()
    await made.deliver(agent, subscribe())
    await made.deliver(agent, simulation.captured(made.asked()[0], made.now))
    renewal = await made.to_the_next_charge(agent)
    await made.deliver(agent, simulation.captured(renewal, made.now))
    await made.deliver(agent, CancelSubscription(ID, command_id=uuid4()))
    return made


async def test_a_subscription_is_found_by_its_client_only(world: World) -> None:
    async with world.engine.connect() as connection:
        found = await find_subscription(connection, "site", ID)
        assert found is not None
        assert found.customer_id == CUSTOMER
        assert await find_subscription(connection, "shop", ID) is None
        assert await find_subscription(connection, "site", UUID(int=1)) is None


async def test_periods_and_attempts_come_in_order(world: World) -> None:
    async with world.engine.connect() as connection:
        periods, attempts = await periods_of(connection, ID), await attempts_of(connection, ID)
    assert [(p.number, p.status) for p in periods] == [(1, "PAID"), (2, "PAID")]
    assert [(a.period, a.number, a.purpose, a.state) for a in attempts] == [
        (1, 1, "FIRST", "PAID"),
        (2, 1, "RENEWAL", "PAID"),
    ]
    assert [p.paid_by for p in periods] == [a.payment_id for a in attempts]


async def test_lists_filter_and_page_newest_first(world: World) -> None:
    agent = await world.agent()
    for number in (2, 3):
        customer = f"customer-{number}"
        world.now += timedelta(seconds=1)
        id = subscription_id("site", "cinema", customer)
        await world.deliver(agent, subscribe(subscription_id=id, customer_id=customer))

    async def customers(client: str | None = "site", after: Cursor | None = None, **filters: str) -> list[str]:
        async with world.engine.connect() as connection:
            found = await list_subscriptions(connection, client, SubscriptionFilters(**filters), after, 2)
        return [s.customer_id for s in found]

    assert await customers() == ["customer-3", "customer-2"]
    last = await world.rows(
        "SELECT created_at, id FROM subscriptions ORDER BY created_at DESC, id DESC OFFSET 1 LIMIT 1"
    )
    assert await customers(after=Cursor(*last[0])) == [CUSTOMER]
    assert await customers(status="ACTIVE") == [CUSTOMER]
    assert await customers(customer_id="customer-2", plan="cinema") == ["customer-2"]
    assert await customers(plan="sport") == []
    assert await customers("shop") == []
    assert await customers(None) == ["customer-3", "customer-2"]


async def test_a_method_leads_to_the_subscriptions_that_it_is_charged_for(world: World) -> None:
    method = (await world.subscription()).method
    assert method is not None
    async with world.engine.connect() as connection:
        assert await charged_with(connection, method.id) == [ID]
        assert await charged_with(connection, UUID(int=1)) == []


async def test_the_time_of_a_clock_is_its_clients(world: World) -> None:
    clock = uuid4()
    insert = text(
        "INSERT INTO test_clocks (id, client_id, name, now_at, target_at, created_at)"
        " VALUES (:id, 'site', 'a', :now, :now, :now)"
    )
    async with world.engine.begin() as connection:
        await connection.execute(insert, {"id": clock, "now": NOW})
        found = await test_clocks.find(connection, "site", clock)
        assert found is not None
        assert found.now_at == NOW
        assert await test_clocks.find(connection, "shop", clock) is None


async def test_the_journal_gives_every_change_after_a_version_and_the_timeline(world: World) -> None:
    version = (await world.subscription()).version
    async with world.engine.connect() as connection:
        changes = await subscription_changes_after(connection, ID, 1, 50)
        page = await subscription_changes_after(connection, ID, 0, 2)
        entries = timeline_entries(await journal_of(connection, ID, SUBSCRIPTIONS.name), ())
    assert [change.version for change in changes] == list(range(2, version + 1))
    assert [change.version for change in page] == [1, 2]
    kinds = [entry.kind for entry in entries]
    assert sorted(kinds[:4]) == ["attempt", "command", "payment", "transition"]
    assert {"outcome", "wake-up", "access", "notice"} <= set(kinds)
    assert "subscription.cancel when=AT_END by=customer" in [entry.summary for entry in entries]
