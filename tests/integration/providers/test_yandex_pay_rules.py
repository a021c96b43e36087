"""The provider's rules for orders, carts and repeats, as the sandbox keeps them and the adapter meets them."""

from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr

from billing.messages import RefundPayment
from billing.orders import Cart, Item
from billing.vocabulary import Action, OperationStatus, Outcome, PaymentStatus
from tests.support.factories import a_create, an_order
from tests.support.provider_life import Life
from tests.support.sandbox import AUTHORIZED, ProviderWorld, a_cart, a_request, about

ORDERS = "/yandex-pay/api/merchant/v1/orders"


async def test_a_customer_who_walked_away_may_come_back(world: ProviderWorld):
    request = await world.open()
    await world.customer(request, "walk_away")
    assert await world.customer(request, "pay") == {"status": "CAPTURED", "done": True}


@pytest.mark.parametrize("first", ["pay", "decline"])
@pytest.mark.parametrize("then", ["pay", "decline"])
async def test_an_order_is_paid_or_declined_once(world: ProviderWorld, first, then):
    request = await world.open()
    await world.customer(request, first)
    before = await world.book(request.order_ref)
    assert (await world.customer(request, then))["done"] is False
    assert await world.book(request.order_ref) == before


async def test_the_reason_of_a_decline_reaches_us_by_an_inquiry(world: ProviderWorld):
    request = await world.open()
    await world.customer(request, "decline", reason="CARD_EXPIRED")
    observed = (await world.adapter.perform(about(request, Action.INQUIRE))).observed
    assert observed is not None
    assert (observed.reason, observed.operations[0].reason) == ("card_expired", "card_expired")


async def test_another_order_under_a_known_id_is_not_opened(world: ProviderWorld):
    request = await world.open()
    other = await world.adapter.perform(a_request(order=an_order(1_000), order_ref=request.order_ref))
    assert (other.outcome, other.reason) == (Outcome.UNKNOWN, "already_known")
    assert (await world.book(request.order_ref))["amount"] == request.amount


async def test_a_voided_order_gives_no_reason_for_a_failure(world: ProviderWorld):
    request = await world.paid(two_stage=True)
    await world.adapter.perform(about(request, Action.VOID))
    observed = (await world.adapter.perform(about(request, Action.INQUIRE))).observed
    assert observed is not None
    assert (observed.status, observed.reason) == (PaymentStatus.VOIDED, None)


async def test_a_capture_is_called_back_under_our_operation_id(world: ProviderWorld):
    request = await world.paid(two_stage=True)
    capture = about(request, Action.CAPTURE)
    await world.adapter.perform(capture)
    await world.until(lambda: "CAPTURED" in world.statuses() and len(world.said(request)) == 3)
    (operation,) = [operation for said in world.said(request) for operation in said.observed.operations]
    assert operation.operation_id == capture.operation_id


@pytest.mark.parametrize(
    ("amount", "cart"),
    [
        (60_000, None),
        (99, a_cart(20_000, 29_901)),
        (49_901, a_cart(99)),
        (20_000, None),
        (20_000, a_cart(20_000)),
        (20_000, Cart((Item("film-9", "Film 9", 1, 30_000),))),
        (20_000, Cart((Item("film-2", "Film 2", 2, 15_000),))),
    ],
    ids=[
        "too much",
        "under a rouble",
        "under a rouble left",
        "no cart",
        "another sum",
        "another product",
        "more of it",
    ],
)
async def test_a_refund_against_the_rules_is_declined_and_gives_nothing_back(world: ProviderWorld, amount, cart):
    request = await world.paid(20_000, 30_000)
    result = await world.adapter.perform(about(request, Action.REFUND, amount, cart))
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "invalid_request")
    book = await world.book(request.order_ref)
    assert (book["refunded"], book["requests"]["refund"]) == (0, 1)


async def test_a_refund_may_lower_a_price(world: ProviderWorld):
    request = await world.paid(20_000, 30_000)
    await world.adapter.perform(about(request, Action.REFUND, 5_000, a_cart(20_000, 25_000)))
    await world.until(lambda: "PARTIALLY_REFUNDED" in world.statuses())
    book = await world.book(request.order_ref)
    assert book["refunded"] == 5_000
    assert [item["total"] for item in book["cart"]["items"]] == ["200.00", "250.00"]


@pytest.mark.parametrize("two_stage", [False, True], ids=["captured", "held"])
async def test_a_rollback_asked_for_twice_happens_once(world: ProviderWorld, two_stage):
    request = await world.paid(two_stage=two_stage)
    rollback = about(request, Action.ROLLBACK)
    for _ in range(2):
        assert (await world.adapter.perform(rollback)).outcome is Outcome.SUCCEEDED
    book = await world.book(request.order_ref)
    assert (book["status"], book["captured"] - book["refunded"]) == ("FAILED", 0)
    assert book["requests"]["rollback"] == 2
    await world.until(lambda: any(said.ask for said in world.said()))
    assert [said.ask for said in world.said()].count(True) == 1


@pytest.mark.parametrize("action", [Action.CAPTURE, Action.VOID, Action.REFUND])
async def test_the_same_operation_asked_for_twice_happens_once(world: ProviderWorld, action):
    request = await world.paid(two_stage=action is not Action.REFUND)
    operation = about(request, action)
    first = await world.adapter.perform(operation)
    second = await world.adapter.perform(operation)
    assert first.provider_ref == second.provider_ref
    book = await world.book(request.order_ref)
    assert book["requests"][action.value.lower()] == 2
    assert [o["key"] for o in book["operations"]].count(str(operation.operation_id)) == 1


async def test_the_same_operation_id_with_another_amount_settles_nothing(world: ProviderWorld):
    request = await world.paid(20_000, 30_000, two_stage=True)
    capture = about(request, Action.CAPTURE, 20_000, a_cart(20_000))
    await world.adapter.perform(capture)
    other = a_request(Action.CAPTURE, order_ref=request.order_ref, operation_id=capture.operation_id, amount=50_000)
    result = await world.adapter.perform(other)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "already_known")
    assert (await world.book(request.order_ref))["captured"] == 20_000


@pytest.mark.parametrize("same", ["externalOperationId", "X-Request-Id"])
async def test_either_id_of_a_write_is_enough_to_know_it_again(world: ProviderWorld, same):
    request = await world.paid(two_stage=True)
    answers = []
    for attempt in ("1", "2"):
        by_operation = same == "externalOperationId"
        headers = {**AUTHORIZED, "X-Request-Id": attempt if by_operation else "same"}
        body = {"reason": "no longer wanted", **({"externalOperationId": "same"} if by_operation else {})}
        path = f"{ORDERS}/{request.order_ref}/cancel"
        answers.append((await world.ask("POST", path, json=body, headers=headers))["data"]["operation"])
    assert answers[0] == answers[1]
    assert [o["type"] for o in (await world.book(request.order_ref))["operations"]] == ["AUTHORIZE", "VOID"]


async def test_an_operation_is_found_by_our_id(world: ProviderWorld):
    request = await world.paid(two_stage=True)
    capture = about(request, Action.CAPTURE)
    await world.adapter.perform(capture)
    path = f"/yandex-pay/api/merchant/v1/operations/{capture.operation_id}"
    operation = (await world.ask("GET", path, headers=AUTHORIZED))["data"]["operation"]
    assert (operation["operationType"], operation["orderId"]) == ("CAPTURE", request.order_ref)


async def test_a_wrong_api_key_is_turned_away_before_anything_happens(world: ProviderWorld):
    adapter = world.make_adapter(api_key=SecretStr("wrong"))
    await adapter.start()
    result = await adapter.perform(a_request())
    await adapter.close()
    assert (result.outcome, result.reason) == (Outcome.NOT_SENT, "credentials")
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cart: cart["total"].update(amount="598.99"),
        lambda cart: cart["total"].update(amount="599.001"),
        lambda cart: cart["total"].update(amount=599),
        lambda cart: cart["items"][0].update(unitPrice="1.00"),
        lambda cart: cart["items"].append(cart["items"][0]),
        lambda cart: cart["items"].clear(),
        lambda cart: cart["items"][0]["quantity"].clear(),
        lambda cart: (cart["items"][0].update(total="0.99", unitPrice="0.99"), cart["total"].update(amount="0.99")),
    ],
)
async def test_a_cart_that_does_not_add_up_is_refused(world: ProviderWorld, spoil: Any):
    cart = {
        "items": [{"productId": "1", "quantity": {"count": "1"}, "unitPrice": "599.00", "total": "599.00"}],
        "total": {"amount": "599.00"},
    }
    spoil(cart)
    body = {"orderId": "order-1", "currencyCode": "RUB", "cart": cart}
    async with aiohttp.ClientSession() as http, http.post(world.url + ORDERS, json=body, headers=AUTHORIZED) as answer:
        said = await answer.json()
    assert (answer.status, said["status"]) == (400, "fail")
    assert said["reasonCode"] in ("ORDER_CART_DATA_ERROR", "BAD_FORMAT")


async def test_a_refund_that_no_prices_express_is_declined_here_and_one_by_items_is_done(world: ProviderWorld):
    life = Life(world)
    cart = Cart((Item("film-1", "Film 1", 3, 10_000),))
    order = msgspec.structs.replace(an_order(), cart=cart, amount=cart.total)
    await life.tell(a_create(order=order))
    await life.pays()
    payment = await life.called_back()
    assert payment.status is PaymentStatus.CAPTURED
    for amount, reason in ((5_000, "unsupported_refund"), (4_998, None)):
        refund = uuid4()
        payment = await life.tell(RefundPayment(payment.id, refund, "asked", amount))
        operation = payment.operation(refund)
        assert operation is not None
        assert (operation.status is OperationStatus.FAIL) is (reason is not None)
        assert reason is None or operation.reason == reason
    payment = await life.settled()
    assert (payment.refunded, (await life.book())["refunded"]) == (4_998, 4_998)
