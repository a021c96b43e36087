"""What operators read of subscriptions and do to plans, on a real Postgres; each action leaves its row, or none takes effect."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice import plans, subscriptions
from backoffice.operators import ActionRefused, Operator
from billing.messages.subscription_commands import CancelSubscription, When
from billing.subscriptions import simulation
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.prices import subscription_id
from runtime.settings import Settings
from storage.subscriptions.lists import SubscriptionFilters
from storage.subscriptions.plans import NewPrice
from tests.integration.streams.subscriptions.test_agent import ID, World
from tests.support.subscriptions import CLIENT, CUSTOMER, subscribe

ANN = Operator("ann", "asked by phone")
MONTHLY = NewPrice(currency="RUB", amount=39_900, cadence=Cadence(Unit.MONTH), products=("cinema",))


@pytest.fixture
def settings(database: AsyncEngine) -> Settings:
    """Postgres of the test's own; Kafka does not answer."""
    return Settings(postgres_url=database.url.render_as_string(hide_password=False), kafka_url="127.0.0.1:1")


@pytest.fixture
async def world(database: AsyncEngine) -> World:
    """Two subscriptions, one of them paid."""
    made = World(database)
    agent = await made.agent()
    await made.deliver(agent, subscribe())
    await made.deliver(agent, simulation.captured(made.asked()[0], made.now))
    other = subscription_id(CLIENT, "cinema", "customer-2")
    await made.deliver(agent, subscribe(subscription_id=other, customer_id="customer-2"))
    return made


async def actions(database: AsyncEngine) -> list[tuple[Any, ...]]:
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT action, actor, reason, subject_kind, subject_id, outcome FROM operator_actions ORDER BY id")
        )
        return [tuple(row) for row in rows]


def row(action: str, kind: str, subject: object, outcome: str) -> tuple[str, ...]:
    return action, ANN.name, ANN.reason, kind, str(subject), outcome


async def test_subscriptions_of_all_clients_or_one_are_found_by_what_is_known_of_them(
    settings: Settings, world: World
) -> None:
    async def customers(client: str | None = None, limit: int = 10, **filters: str) -> list[str]:
        found = await subscriptions.find(settings, client, SubscriptionFilters(**filters), limit)
        return sorted(s.customer_id for s in found)

    assert await customers() == [CUSTOMER, "customer-2"]
    assert await customers(CLIENT, status="ACTIVE") == [CUSTOMER]
    assert await customers(customer_id="customer-2") == ["customer-2"]
    assert await customers("another client") == []
    assert len(await customers(limit=1)) == 1


async def test_a_subscription_is_read_with_its_periods_attempts_and_story(settings: Settings, world: World) -> None:
    found = await subscriptions.read(settings, ID)
    assert found is not None
    assert (found.subscription.subscription_id, found.subscription.status) == (ID, "ACTIVE")
    assert [p.number for p in found.periods] == [1]
    assert [(a.purpose, a.state) for a in found.attempts] == [("FIRST", "PAID")]
    assert {"command", "outcome"} <= {entry.kind for entry in await subscriptions.read_timeline(settings, ID)}
    assert await subscriptions.read(settings, UUID(int=1)) is None
    assert await subscriptions.read_timeline(settings, UUID(int=1)) == []


async def test_a_command_to_a_subscription_that_does_not_exist_is_refused_and_on_record(
    settings: Settings, database: AsyncEngine
) -> None:
    with pytest.raises(ActionRefused, match="there is no subscription"):
        await subscriptions.cancel(settings, ANN, UUID(int=1), when=When.NOW, refund=None)
    assert await actions(database) == [row("cancel_subscription", "subscription", UUID(int=1), "refused")]


async def test_while_a_worker_runs_that_does_not_know_the_command_it_is_refused(
    settings: Settings, world: World, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def knows(_connection: Any, type: str) -> bool:
        return type != CancelSubscription.TYPE

    monkeypatch.setattr("backoffice.commands.is_understood", knows)
    with pytest.raises(ActionRefused, match="upgrade-in-progress"):
        await subscriptions.cancel(settings, ANN, ID, when=When.AT_END, refund=None)
    assert await actions(database) == [row("cancel_subscription", "subscription", ID, "refused")]


async def test_plans_and_prices_are_made_once_and_say_who_made_them(settings: Settings, database: AsyncEngine) -> None:
    await plans.create(settings, ANN, CLIENT, "cinema", "cinema", "Cinema")
    with pytest.raises(ActionRefused, match="there is a plan"):
        await plans.create(settings, ANN, CLIENT, "cinema", "cinema", "Cinema")
    first, second = [await plans.add_price(settings, ANN, CLIENT, "cinema", MONTHLY) for _ in range(2)]
    with pytest.raises(ActionRefused, match="there is no plan"):
        await plans.add_price(settings, ANN, CLIENT, "sport", MONTHLY)

    found = await plans.find_plan(settings, CLIENT, "cinema")
    assert found is not None
    assert (found.created_by, [p.version for p in found.prices]) == ("operator:ann", [2, 1])
    assert found.price("RUB") == second != first
    assert [plan.id for plan in await plans.list_plans(settings, CLIENT)] == ["cinema"]
    assert await plans.list_plans(settings, "another client") == []
    assert await plans.find_plan(settings, "another client", "cinema") is None
    assert await actions(database) == [
        row("create_plan", "plan", "cinema", "done"),
        row("create_plan", "plan", "cinema", "refused"),
        row("add_price", "plan", "cinema", "done"),
        row("add_price", "plan", "cinema", "done"),
        row("add_price", "plan", "sport", "refused"),
    ]
