"""What the adapter sends to Yandex Pay, and what it writes into its log."""

import json
from typing import Any

import msgspec
import pytest
import structlog

from billing.orders import Cart, Contact, Item
from billing.vocabulary import Action, Outcome, Tax
from providers.yandex_pay import YandexPay
from tests.support.factories import an_order
from tests.support.sandbox import a_cart, a_request
from tests.support.scripted_provider import Script, an_adapter


async def test_create_sends_the_cart_in_decimal_strings_with_a_receipt_per_item(
    script: Script, adapter: YandexPay
) -> None:
    script.says({"paymentUrl": "https://pay.example/1"})
    items = (Item("film-1", "Film one", 2, 12_345, tax=Tax.VAT_10), Item("film-2", "Film two", 1, 5, subject=10))
    order = msgspec.structs.replace(an_order(), amount=24_695, cart=Cart(items))
    request = a_request(order=order, ttl_s=900)

    await adapter.perform(request)

    [heard], [body] = script.heard, script.bodies
    assert (heard.method, heard.path) == ("POST", "/api/merchant/v1/orders")
    assert body == {
        "orderId": request.order_ref,
        "currencyCode": "RUB",
        "availablePaymentMethods": ["CARD"],
        "ttl": 900,
        "purpose": "Film one",
        "redirectUrls": {"onSuccess": "https://cinema.example/paid", "onError": "https://cinema.example/failed"},
        "cart": {
            "externalId": str(order.id),
            "items": [
                {
                    "productId": "film-1",
                    "title": "Film one",
                    "quantity": {"count": "2"},
                    "unitPrice": "123.45",
                    "total": "246.90",
                    "receipt": {
                        "tax": 2,
                        "title": "Film one",
                        "measure": 0,
                        "paymentMethodType": 4,
                        "paymentSubjectType": 4,
                    },
                },
                {
                    "productId": "film-2",
                    "title": "Film two",
                    "quantity": {"count": "1"},
                    "unitPrice": "0.05",
                    "total": "0.05",
                    "receipt": {
                        "tax": 6,
                        "title": "Film two",
                        "measure": 0,
                        "paymentMethodType": 4,
                        "paymentSubjectType": 10,
                    },
                },
            ],
            "total": {"amount": "246.95"},
        },
    }


async def test_a_write_repeated_names_the_same_operation(script: Script, adapter: YandexPay) -> None:
    script.says({})
    request = a_request(Action.REFUND)

    await adapter.perform(request)
    await adapter.perform(request)

    assert [body["externalOperationId"] for body in script.bodies] == [str(request.operation_id)] * 2
    assert [heard.headers["X-Request-Attempt"] for heard in script.heard] == ["0", "0"]


@pytest.mark.parametrize(("ttl_s", "sent"), [(1, 180), (1800, 1800), (10**6, 604_800)])
async def test_the_time_to_pay_stays_within_what_the_api_takes(
    script: Script, adapter: YandexPay, ttl_s: int, sent: int
) -> None:
    script.says({"paymentUrl": "https://pay.example/1"})

    await adapter.perform(a_request(Action.CREATE, ttl_s=ttl_s))

    assert script.bodies[0]["ttl"] == sent


@pytest.mark.parametrize(
    ("action", "path", "sent"),
    [
        (Action.CAPTURE, "/api/merchant/v1/orders/order-1/capture", {"orderAmount": "599.00"}),
        (Action.VOID, "/api/merchant/v1/orders/order-1/cancel", {"reason": "changed my mind"}),
        (Action.REFUND, "/api/merchant/v2/orders/order-1/refund", {"refundAmount": "599.00"}),
    ],
)
async def test_capture_void_and_refund_of_everything_name_the_amount_and_the_operation(
    script: Script, adapter: YandexPay, action: Action, path: str, sent: dict[str, Any]
) -> None:
    script.says({})
    request = a_request(action, order_ref="order-1", reason="changed my mind")

    await adapter.perform(request)

    [heard], [body] = script.heard, script.bodies
    assert (heard.method, heard.path) == ("POST", path)
    assert body == {**sent, "externalOperationId": str(request.operation_id)}


async def test_a_partial_capture_sends_the_final_cart_with_its_receipts(script: Script, adapter: YandexPay) -> None:
    script.says({})

    await adapter.perform(a_request(Action.CAPTURE, amount=20_000, cart=a_cart(20_000)))

    body = script.bodies[0]
    assert body["orderAmount"] == body["cart"]["total"]["amount"] == "200.00"
    assert [item["total"] for item in body["cart"]["items"]] == ["200.00"]
    assert body["cart"]["items"][0]["receipt"]["tax"] == 6


async def test_a_partial_refund_sends_the_cart_that_remains(script: Script, adapter: YandexPay) -> None:
    script.says({})
    remains = Cart((Item("film-1", "Film one", 3, 10_050),))

    await adapter.perform(a_request(Action.REFUND, amount=20_000, cart=remains))

    body = script.bodies[0]
    assert body["refundAmount"] == "200.00"
    assert body["targetCart"] == {"items": [{"productId": "film-1", "quantityCount": "3", "price": "100.50"}]}


# --- what is logged ----------------------------------------------------------------------------------------------


async def test_logs_carry_neither_the_key_nor_the_customer_nor_the_cart(script: Script) -> None:
    script.refuses(400, "ORDER_CART_DATA_ERROR")
    order = msgspec.structs.replace(an_order(), contact=Contact("person@example.com", "+79990000000"))

    with structlog.testing.capture_logs() as logs:
        async with an_adapter(script.url) as provider:
            await provider.perform(a_request(Action.CREATE, order=order))

    [logged] = [entry for entry in logs if entry["event"] == "provider call ended"]
    assert logged["provider"] == "yandex-pay"
    assert (logged["outcome"], logged["reason"]) == (Outcome.DECLINED, "invalid_request")
    text = json.dumps(logged, default=str)
    for secret in ("Api-Key", "person@example.com", "+79990000000", order.customer_id, "Film 1"):
        assert secret not in text


@pytest.mark.parametrize(
    ("title", "purpose"),
    [
        ("f" * 30, "f" * 30),
        ("f" * 31, "f" * 29 + "…"),
        ("f" * 28 + " a film", "f" * 28 + "…"),
        ("f" * 28 + "e\u0301 and more", "f" * 28 + "…"),
        ("f" * 28 + "\U0001f44d\U0001f3fd and more", "f" * 28 + "…"),
        ("f" * 26 + "\U0001f468\u200d\U0001f469\u200d\U0001f467 and more", "f" * 26 + "…"),
    ],
    ids=["fits", "one too long", "a space at the end", "an accent", "an emoji with a skin colour", "a family"],
)
async def test_a_title_longer_than_a_purpose_is_cut_visibly_and_not_inside_a_character(
    script: Script, adapter: YandexPay, title: str, purpose: str
) -> None:
    order = msgspec.structs.replace(an_order(59_900), cart=Cart((Item("film-1", title, 1, 59_900),)))
    await adapter.perform(a_request(order=order))

    assert script.bodies[0]["purpose"] == purpose
    assert script.bodies[0]["cart"]["items"][0]["title"] == title
