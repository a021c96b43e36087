"""What an operator sees who makes plans and prices."""

from typing import Any

import pytest

from tests.support.ingest_server import World
from tests.support.subscription_shop import Shop

PRICE = {"currency": "RUB", "amount": 79900, "interval": "YEAR", "products": ["cinema", "hd"], "tax": "vat20"}


async def post(world: World, path: str, body: Any, key: str = "one") -> Any:
    return await world.command("POST", path, body, Idempotency_Key=key)


async def test_a_plan_is_made_with_its_first_price(world: World) -> None:
    made = await post(world, "/v1/plans", {"id": "premium", "group": "cinema", "title": "Premium"})
    assert (made.status, made.headers["Location"]) == (201, "/v1/plans/premium")
    assert (made.json["group"], made.json["prices"], made.json["archived_at"]) == ("cinema", [], None)

    price = await post(world, "/v1/plans/premium/prices", PRICE, "two")
    assert price.status == 201
    assert (price.json["version"], price.json["interval"], price.json["interval_count"]) == (1, "YEAR", 1)
    assert (price.json["products"], price.json["refund_on_cancel"]) == (["cinema", "hd"], "PRORATED")
    read = await world.get("/v1/plans/premium", Authorization="Bearer site-key-1")
    assert read.json["prices"] == [price.json]
    assert [change.by for change in world.plans.changes] == ["client:site", "client:site"]


async def test_the_group_is_the_plans_own_unless_named(world: World) -> None:
    assert (await post(world, "/v1/plans", {"id": "sport", "title": "Sport"})).json["group"] == "sport"


async def test_a_new_price_is_the_next_version(shop: Shop) -> None:
    first = await post(shop.world, "/v1/plans/cinema/prices", PRICE)
    assert (first.json["version"], first.json["amount"]) == (2, 79900)


async def test_repeats_make_nothing_new(world: World) -> None:
    body = {"id": "sport", "title": "Sport"}
    for expected in (None, "true"):
        answer = await post(world, "/v1/plans", body)
        assert (answer.status, answer.headers.get("Idempotent-Replayed")) == (201, expected)
    for expected in (None, "true"):
        answer = await post(world, "/v1/plans/sport/prices", PRICE, "two")
        assert (answer.json["version"], answer.headers.get("Idempotent-Replayed")) == (1, expected)


async def test_the_same_key_with_another_body(world: World) -> None:
    await post(world, "/v1/plans", {"id": "sport", "title": "Sport"})
    (await post(world, "/v1/plans", {"id": "sport", "title": "Sports"})).is_problem(422, "idempotency-key-reused")
    await post(world, "/v1/plans/sport/prices", PRICE, "two")
    answer = await post(world, "/v1/plans/sport/prices", {**PRICE, "amount": 1}, "two")
    answer.is_problem(422, "idempotency-key-reused")


async def test_what_is_refused(world: World) -> None:
    await post(world, "/v1/plans", {"id": "sport", "title": "Sport"})
    (await post(world, "/v1/plans", {"id": "sport", "title": "Sport"}, "two")).is_problem(409, "plan-exists")
    (await post(world, "/v1/plans/none/prices", PRICE, "three")).is_problem(404, "plan-not-found")
    await post(world, "/v1/plans/sport/archive", {})
    (await post(world, "/v1/plans/sport/prices", PRICE, "four")).is_problem(409, "plan-archived")


async def test_an_archived_plan_stays_readable_and_a_repeat_changes_nothing(world: World) -> None:
    await post(world, "/v1/plans", {"id": "sport", "title": "Sport"})
    first = await post(world, "/v1/plans/sport/archive", {})
    again = await post(world, "/v1/plans/sport/archive", {})

    assert first.status == again.status == 200
    assert first.json["archived_at"] == again.json["archived_at"] == "2026-03-01T12:00:00Z"
    (await post(world, "/v1/plans/none/archive", {})).is_problem(404, "plan-not-found")


async def test_plans_are_listed_for_their_client_only_and_conditionally(shop: Shop) -> None:
    mine = await shop.get("/v1/plans")
    assert [plan["id"] for plan in mine.json["data"]] == ["cinema"]
    assert (await shop.get("/v1/plans", **{"If-None-Match": mine.headers["ETag"]})).status == 304
    theirs = await shop.world.get("/v1/plans", Authorization="Bearer shop-key-1")
    assert theirs.json == {"data": []}
    (await shop.get("/v1/plans/none")).is_problem(404, "plan-not-found")


async def test_only_operators_write_plans(shop: Shop) -> None:
    await shop.key_with("writer", "subscriptions:read", "subscriptions:write")
    key = {"Authorization": "Bearer writer"}
    for path, body in (("/v1/plans", {"id": "x", "title": "X"}), ("/v1/plans/cinema/prices", PRICE)):
        answer = await shop.post(path, body, **key)
        answer.is_problem(403, "forbidden")
        assert answer.json["scope"] == "admin"
    (await shop.post("/v1/plans/cinema/archive", {}, **key)).is_problem(403, "forbidden")
    assert (await shop.world.get("/v1/plans", **key)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/plans", {"id": "Sport", "title": "Sport"}, "/id"),
        ("/v1/plans", {"id": "a/b", "title": "Sport"}, "/id"),
        ("/v1/plans", {"id": "sport", "title": "\u200b"}, "/title"),
        ("/v1/plans", {"id": "sport"}, "/title"),
        ("/v1/plans/cinema/prices", {**PRICE, "amount": 0}, "/amount"),
        ("/v1/plans/cinema/prices", {**PRICE, "amount": 1.5}, "/amount"),
        ("/v1/plans/cinema/prices", {**PRICE, "currency": "XXX"}, "/currency"),
        ("/v1/plans/cinema/prices", {**PRICE, "products": []}, "/products"),
        ("/v1/plans/cinema/prices", {**PRICE, "products": ["a", "a"]}, ""),
        ("/v1/plans/cinema/prices", {**PRICE, "interval": "HOUR"}, "/interval"),
        ("/v1/plans/cinema/prices", {**PRICE, "interval_count": 4}, ""),
        ("/v1/plans/cinema/prices", {**PRICE, "interval_count": 366}, "/interval_count"),
        ("/v1/plans/cinema/prices", {**PRICE, "trial": 7}, "/trial"),
    ],
)
async def test_bad_input_leaves_no_trace(shop: Shop, path: str, body: dict[str, Any], pointer: str) -> None:
    before = dict(shop.world.plans.kept)
    answer = await shop.post(path, body)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert shop.world.plans.kept == before
