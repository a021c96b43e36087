"""What an integrator sees who lets subscriptions live by a test clock."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.access.scopes import Scope
from tests.support.ingest_fakes import NOW
from tests.support.ingest_server import Answer
from tests.support.subscription_shop import Shop

CLOCKS = "/v1/test-clocks"
BODY = {"name": "a year", "at": "2026-01-31T12:00:00+03:00"}


async def create(shop: Shop, body: Any = BODY, key: str = "one", **headers: str | None) -> Answer:
    return await shop.post(CLOCKS, body, Idempotency_Key=key, **headers)


async def test_a_clock_is_made_at_the_given_time_and_read(shop: Shop) -> None:
    made = await create(shop)

    assert (made.status, made.headers["Location"]) == (201, f"{CLOCKS}/{made.json['id']}")
    assert made.json == {
        "id": made.json["id"],
        "name": "a year",
        "status": "READY",
        "now_at": "2026-01-31T09:00:00Z",
        "target_at": "2026-01-31T09:00:00Z",
        "subscriptions": 0,
        "charges_open": 0,
        "created_at": "2026-03-01T12:00:00Z",
    }
    read = await shop.get(made.headers["Location"])
    assert read.json == made.json
    assert (await shop.get(made.headers["Location"], **{"If-None-Match": read.headers["ETag"]})).status == 304


async def test_a_clock_without_a_time_stands_at_the_present(shop: Shop) -> None:
    assert (await create(shop, {"name": "now"})).json["now_at"] == "2026-03-01T12:00:00Z"


async def test_a_repeat_makes_no_second_clock_and_another_body_is_refused(shop: Shop) -> None:
    first, again = await create(shop), await create(shop)

    assert (again.status, again.json, again.headers["Idempotent-Replayed"]) == (201, first.json, "true")
    (await create(shop, {"name": "two years"})).is_problem(422, "idempotency-key-reused")
    assert (await create(shop, key="two")).json["id"] != first.json["id"]
    (await shop.post(CLOCKS, BODY, Idempotency_Key=None)).is_problem(400, "invalid-idempotency-key")


async def test_a_clock_that_was_advanced_is_on_its_way_and_a_repeat_changes_nothing(shop: Shop) -> None:
    path = (await create(shop)).headers["Location"]
    for _ in range(2):
        answer = await shop.post(f"{path}/advance", {"to": "2027-01-31T00:00:00Z"})
        assert (answer.status, answer.json["status"]) == (200, "ADVANCING")
        assert (answer.json["now_at"], answer.json["target_at"]) == ("2026-01-31T09:00:00Z", "2027-01-31T00:00:00Z")


async def test_a_clock_never_goes_back(shop: Shop) -> None:
    path = (await create(shop)).headers["Location"]
    answer = await shop.post(f"{path}/advance", {"to": "2026-01-31T08:59:59Z"})

    answer.is_problem(422, "invalid-clock-time")
    assert "never goes back" in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (CLOCKS, {"name": ""}, "/name"),
        (CLOCKS, {"name": " "}, "/name"),
        (CLOCKS, {"name": 1}, "/name"),
        (CLOCKS, {"name": "x" * 129}, "/name"),
        (CLOCKS, {}, "/name"),
        (CLOCKS, {"name": "a", "at": "2026-01-31"}, "/at"),
        (CLOCKS, {"name": "a", "at": "2026-01-31T12:00:00"}, "/at"),
        (CLOCKS, {"name": "a", "at": "2026-02-30T12:00:00Z"}, "/at"),
        (CLOCKS, {"name": "a", "at": "0001-01-01T00:00:00+03:00"}, "/at"),
        (CLOCKS, {"name": "a", "at": 1767225600}, "/at"),
        (CLOCKS, {"name": "a", "speed": 2}, "/speed"),
        (f"{CLOCKS}/CLOCK/advance", {}, "/to"),
        (f"{CLOCKS}/CLOCK/advance", {"to": None}, "/to"),
        (f"{CLOCKS}/CLOCK/advance", {"to": "tomorrow"}, "/to"),
        (f"{CLOCKS}/CLOCK/advance", {"to": "9999-12-31T23:59:59-23:00"}, "/to"),
    ],
)
async def test_bad_input_is_named_and_leaves_no_trace(shop: Shop, path: str, body: Any, pointer: str) -> None:
    clock = shop.world.test_clocks.keep(NOW)
    before = dict(shop.world.test_clocks.kept)
    answer = await shop.post(path.replace("CLOCK", str(clock)), body)

    answer.is_problem(422, "invalid-request")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert shop.world.test_clocks.kept == before


@pytest.mark.parametrize("id", [str(UUID(int=1)), "none"])
async def test_a_clock_that_does_not_exist(shop: Shop, id: str) -> None:
    (await shop.get(f"{CLOCKS}/{id}")).is_problem(404, "test-clock-not-found")
    answer = await shop.post(f"{CLOCKS}/{id}/advance", {"to": "2027-01-01T00:00:00Z"})
    answer.is_problem(404, "test-clock-not-found")


async def test_another_clients_clock_does_not_exist(shop: Shop) -> None:
    path = f"{CLOCKS}/{shop.world.test_clocks.keep(NOW)}"
    other = {"Authorization": "Bearer shop-key-1"}
    (await shop.world.get(path, **other)).is_problem(404, "test-clock-not-found")
    answer = await shop.post(f"{path}/advance", {"to": "2027-01-01T00:00:00Z"}, **other)
    answer.is_problem(404, "test-clock-not-found")


async def test_who_may_read_and_who_may_move_a_clock(shop: Shop) -> None:
    path = f"{CLOCKS}/{shop.world.test_clocks.keep(NOW)}"
    await shop.key_with("reader", Scope.SUBSCRIPTIONS_READ)
    reader = {"Authorization": "Bearer reader"}
    assert (await shop.world.get(path, **reader)).status == 200
    for answer in (
        await create(shop, **reader),
        await shop.post(f"{path}/advance", {"to": "2027-01-01T00:00:00Z"}, **reader),
    ):
        answer.is_problem(403, "forbidden")
        assert answer.json["scope"] == "subscriptions:write"
    (await shop.world.get(path)).is_problem(401, "unauthorized")


async def test_where_test_clocks_are_off_there_are_none(shop: Shop) -> None:
    path = f"{CLOCKS}/{shop.world.test_clocks.keep(NOW)}"
    shop.world.settings.test_clocks = False
    (await create(shop)).is_problem(403, "test-clocks-off")
    (await shop.get(path)).is_problem(403, "test-clocks-off")
    answer = await shop.post(f"{path}/advance", {"to": "2027-01-01T00:00:00Z"})
    answer.is_problem(403, "test-clocks-off")
    (await shop.world.get(path)).is_problem(401, "unauthorized")


async def test_the_list_of_subscriptions_is_filtered_by_clock(shop: Shop) -> None:
    clock = uuid4()
    assert (await shop.get(f"/v1/subscriptions?test_clock={clock}")).status == 200
    assert shop.world.subscriptions.filters is not None
    assert shop.world.subscriptions.filters.clock_id == clock
    (await shop.get("/v1/subscriptions?test_clock=noon")).is_problem(422, "invalid-request")
