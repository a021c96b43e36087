"""Plans and prices on a real Postgres."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.subscriptions.cadence import Cadence, Unit
from storage.subscriptions.plans import (
    Change,
    NewPrice,
    PlanRefused,
    add_price,
    archive_plan,
    create_plan,
    find_plan,
    find_price,
    list_plans,
)
from tests.support.subscriptions import NOW

NEW = NewPrice(currency="RUB", amount=39_900, cadence=Cadence(Unit.MONTH), products=("cinema",))


def change(command_id: UUID | None = None, fingerprint: str = "one", client: str = "site") -> Change:
    return Change(client, "client:site", NOW, command_id or uuid4(), fingerprint)


async def make(engine: Any, made: Change, id: str = "cinema") -> bool:
    async with engine.begin() as connection:
        return await create_plan(connection, made, id, "cinema", "Cinema")


async def price(engine: Any, made: Change, new: NewPrice = NEW, plan: str = "cinema") -> tuple[int, bool]:
    async with engine.begin() as connection:
        found, is_new = await add_price(connection, made, plan, new)
        return found.version, is_new


async def test_a_plan_has_the_newest_price_of_each_currency(database: Any) -> None:
    await make(database, change())
    dollars = NewPrice(currency="USD", amount=499, cadence=Cadence(Unit.YEAR), products=("cinema", "hd"))
    assert [await price(database, change(), new) for new in (NEW, dollars, NEW)] == [(1, True), (1, True), (2, True)]

    async with database.connect() as connection:
        plan = await find_plan(connection, "site", "cinema")
        assert plan is not None
        assert [(p.currency, p.version) for p in plan.prices] == [("RUB", 2), ("RUB", 1), ("USD", 1)]
        newest = plan.price("RUB")
        assert newest is not None
        assert await find_price(connection, "site", newest.id) == newest
        assert await find_price(connection, "shop", newest.id) is None
        assert await find_plan(connection, "shop", "cinema") is None
        assert [p.id for p in await list_plans(connection, "site")] == ["cinema"]


async def test_repeats_make_nothing_new_and_another_body_is_refused(database: Any) -> None:
    once, twice = change(), change()
    assert [await make(database, once), await make(database, once)] == [True, False]
    assert [await price(database, twice), await price(database, twice)] == [(1, True), (1, False)]
    for attempt in (make(database, change(once.command_id, "two")), price(database, change(twice.command_id, "two"))):
        with pytest.raises(PlanRefused, match="idempotency_key_reused"):
            await attempt
    with pytest.raises(PlanRefused, match="plan_exists"):
        await make(database, change())


async def test_prices_that_are_made_at_once_get_versions_of_their_own(database: Any) -> None:
    await make(database, change())
    made = await asyncio.gather(*(price(database, change()) for _ in range(5)))
    assert sorted(version for version, _ in made) == [1, 2, 3, 4, 5]


async def test_a_repeat_at_the_same_moment_makes_one_price(database: Any) -> None:
    await make(database, change())
    once = change()
    made = await asyncio.gather(*(price(database, once) for _ in range(5)))
    assert sorted(made) == [(1, False)] * 4 + [(1, True)]


async def test_what_is_refused_changes_nothing(database: Any) -> None:
    await make(database, change())
    with pytest.raises(PlanRefused, match="plan_not_found"):
        await price(database, change(), plan="sport")
    with pytest.raises(PlanRefused, match="invalid_price"):
        await price(database, change(), NewPrice(currency="RUB", amount=0, cadence=NEW.cadence, products=("a",)))
    async with database.begin() as connection:
        assert await archive_plan(connection, "site", "cinema", by="operator:olga", at=NOW)
        assert not await archive_plan(connection, "site", "cinema", by="operator:ivan", at=NOW)
    with pytest.raises(PlanRefused, match="plan_archived"):
        await price(database, change())
    async with database.connect() as connection:
        plan = await find_plan(connection, "site", "cinema")
    assert plan is not None
    assert (plan.prices, plan.archived_at) == ((), NOW)
