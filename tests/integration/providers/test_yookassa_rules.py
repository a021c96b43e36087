"""YooKassa's rules for keys, lists and errors, as the sandbox keeps them."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from yookassa import Configuration, Payment, Refund

from billing.vocabulary import Action
from providers.sandbox.ledger import ProviderLedger
from providers.sandbox.replays import KeyReused, Replays, digest
from providers.yookassa.plugin import SANDBOX_SHOP
from tests.support.sandbox import API_KEY, about
from tests.support.yookassa import API, YooKassaWorld, a_yookassa_world

BODY = {
    "amount": {"value": "100.00", "currency": "RUB"},
    "capture": True,
    "confirmation": {"type": "redirect", "return_url": "https://cinema.example/paid"},
}


@pytest.fixture
async def world(tmp_path):
    async with a_yookassa_world(tmp_path) as world:
        yield world


async def test_a_key_that_comes_again_gets_the_first_answer_and_does_nothing(world: YooKassaWorld):
    first = await world.api("POST", "/payments", "key-1", json=BODY)
    await world.ask("POST", f"/pay/{first[1]['id']}", json={"outcome": "pay"}, headers={"Accept": "application/json"})
    assert await world.api("POST", "/payments", "key-1", json=BODY) == first
    (order,) = (await world.ask("GET", "/_sandbox/book"))["orders"]
    assert (order["requests"], order["keys"]) == ({"create": 2}, ["key-1"])


async def test_a_key_that_comes_with_another_request_is_refused(world: YooKassaWorld):
    await world.api("POST", "/payments", "key-1", json=BODY)
    status, error = await world.api("POST", "/payments", "key-1", json=BODY | {"capture": False})
    assert (status, error["code"], error["parameter"]) == (400, "invalid_request", "Idempotence-Key")


async def test_a_refusal_does_not_use_the_key_up(world: YooKassaWorld):
    status, _ = await world.api("POST", "/payments", "key-1", json={"amount": {"value": "0.10", "currency": "RUB"}})
    assert status == 400
    assert (await world.api("POST", "/payments", "key-1", json=BODY))[0] == 200


def test_a_key_is_forgotten_after_its_window(tmp_path):
    now = [1000.0]
    book = ProviderLedger(tmp_path / "book.sqlite")
    replays = Replays("yookassa", book, 86_400.0, now=lambda: now[0])
    replays.keep("key", digest("asked"), 200, b"{}")
    now[0] += 86_399
    assert replays.find("key", digest("asked")) is not None
    with pytest.raises(KeyReused):
        replays.find("key", digest("other"))
    now[0] += 1
    assert replays.find("key", digest("asked")) is None
    assert Replays("stripe", book, 86_400.0, now=lambda: 1000.0).find("key", digest("asked")) is None
    book.close()


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "confirmation.type"),
        (BODY | {"amount": {"value": "100.00", "currency": "USD"}}, "amount.currency"),
        (BODY | {"amount": {"value": "0.99", "currency": "RUB"}}, "amount.value"),
        (BODY | {"amount": {"value": "1.001", "currency": "RUB"}}, "amount.value"),
        (BODY | {"amount": {"value": True, "currency": "RUB"}}, "amount.value"),
        (BODY | {"description": "x" * 129}, "description"),
        (BODY | {"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        (BODY | {"confirmation": {"type": "embedded"}}, "confirmation.type"),
        (BODY | {"confirmation": {"type": "redirect"}}, "confirmation.return_url"),
        (BODY | {"payment_method_id": "unknown"}, "payment_method_id"),
        (BODY | {"receipt": {"items": []}}, "receipt"),
        (
            BODY
            | {
                "receipt": {
                    "customer": {"email": "a@b.example"},
                    "items": [{"amount": {"value": "50.00", "currency": "RUB"}, "quantity": 1}],
                }
            },
            "receipt.items",
        ),
    ],
)
async def test_a_payment_that_breaks_the_rules_is_refused_and_the_error_names_what(
    world: YooKassaWorld, body, parameter
):
    status, error = await world.api("POST", "/payments", str(uuid4()), json=body)
    assert (status, error["type"], error["code"], error["parameter"]) == (400, "error", "invalid_request", parameter)
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []


@pytest.mark.parametrize("key", [None, "x" * 65])
async def test_a_write_needs_a_key(world: YooKassaWorld, key):
    status, error = await world.api("POST", "/payments", key, json=BODY)
    assert (status, error["parameter"]) == (400, "Idempotence-Key")


@pytest.mark.parametrize(("method", "path"), [("GET", "/payments"), ("POST", "/payments"), ("GET", "/me")])
async def test_a_stranger_learns_and_does_nothing(world: YooKassaWorld, method, path):
    async with aiohttp.ClientSession() as http, http.request(method, f"{world.url}{API}{path}") as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_what_the_state_does_not_allow_is_refused(world: YooKassaWorld, action):
    unpaid = await world.open()
    result = await world.adapter.perform(about(unpaid, action))
    assert result.reason == "invalid_request"
    assert (await world.book(unpaid.order_ref))["operations"] == []


async def test_payments_are_listed_newest_first_page_by_page_and_filtered(world: YooKassaWorld):
    ids = [(await world.open()).order_ref for _ in range(4)]
    paid = await world.confirmed()
    ids.append(paid.order_ref)

    async def listed(**query: Any) -> tuple[list[str], str | None]:
        status, page = await world.api("GET", "/payments", params=query)
        assert (status, page["type"]) == (200, "list")
        return [item["id"] for item in page["items"]], page.get("next_cursor")

    first, cursor = await listed(limit="3")
    assert cursor is not None
    second, end = await listed(limit="3", cursor=cursor)
    assert (first + second, end) == (list(reversed(ids)), None)
    assert await listed(status="succeeded") == ([paid.order_ref], None)
    _, third = await world.api("GET", f"/payments/{ids[2]}")
    assert set((await listed(**{"created_at.gte": third["created_at"]}))[0]) >= set(ids[3:])
    assert ids[4] not in (await listed(**{"created_at.lt": third["created_at"]}))[0]
    assert (await listed(**{"captured_at.gte": "2020-01-01T00:00:00.000Z"}))[0] == [paid.order_ref]


async def test_refunds_are_listed_of_one_payment_or_of_all(world: YooKassaWorld):
    one, other = await world.confirmed(30_000), await world.confirmed(30_000)
    for request in (one, one, other):
        await world.adapter.perform(about(request, Action.REFUND, 10_000))
    _, page = await world.api("GET", "/refunds", params={"payment_id": one.order_ref})
    assert [item["payment_id"] for item in page["items"]] == [one.order_ref] * 2
    _, page = await world.api("GET", "/refunds", params={"limit": "2"})
    _, rest = await world.api("GET", "/refunds", params={"limit": "2", "cursor": page["next_cursor"]})
    found = page["items"] + rest["items"]
    assert [item["payment_id"] for item in found] == [other.order_ref, one.order_ref, one.order_ref]
    assert await world.api("GET", f"/refunds/{found[0]['id']}") == (200, found[0])
    assert (await world.api("GET", f"/refunds/{one.order_ref}"))[0] == 404


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "x"}])
async def test_a_list_that_cannot_be_had_is_refused(world: YooKassaWorld, query):
    await world.open()
    status, error = await world.api("GET", "/payments", params=query)
    assert (status, error["parameter"]) == (400, next(iter(query)))


async def test_the_providers_own_sdk_creates_captures_refunds_and_lists(world: YooKassaWorld):
    Configuration.configure(SANDBOX_SHOP, API_KEY, api_url=f"{world.url}{API}")
    held = await asyncio.to_thread(Payment.create, BODY | {"capture": False, "save_payment_method": True}, "sdk-1")
    assert (held.status, held.confirmation.confirmation_url) == ("pending", f"{world.url}/pay/{held.id}")
    await world.ask("POST", f"/pay/{held.id}", json={"outcome": "pay"}, headers={"Accept": "application/json"})
    taken = await asyncio.to_thread(
        Payment.capture, held.id, {"amount": {"value": "60.00", "currency": "RUB"}}, "sdk-2"
    )
    assert (taken.status, str(taken.amount.value), taken.payment_method.saved) == ("succeeded", "60.00", True)
    refund = await asyncio.to_thread(
        Refund.create, {"payment_id": held.id, "amount": {"value": "10.00", "currency": "RUB"}}, "sdk-3"
    )
    assert refund.status == "succeeded"
    charge = {"amount": BODY["amount"], "capture": True, "payment_method_id": taken.payment_method.id}
    again = await asyncio.to_thread(Payment.create, charge, "sdk-4")
    assert again.status == "succeeded"
    listed = await asyncio.to_thread(Payment.list, {"limit": 10})
    assert [payment.id for payment in listed.items] == [again.id, held.id]
    refunds = await asyncio.to_thread(Refund.list, {"payment_id": held.id})
    assert [found.id for found in refunds.items] == [refund.id]
    found = await asyncio.to_thread(Payment.find_one, held.id)
    assert str(found.refunded_amount.value) == "10.00"
    cancelled = await asyncio.to_thread(Payment.create, BODY | {"capture": False}, "sdk-5")
    await world.ask("POST", f"/pay/{cancelled.id}", json={"outcome": "pay"}, headers={"Accept": "application/json"})
    assert (await asyncio.to_thread(Payment.cancel, cancelled.id, "sdk-6")).status == "canceled"
