"""Clients that strangers wrote against the providers' real services, against the sandbox: they do not share our reading
of the references. The providers' own libraries are in test_stripe_sdk.py and test_yookassa_rules.py."""

import asyncio
import json
from typing import Any

import fancy_stripe
import pytest
from aioyookassa import YooKassa
from aioyookassa.core.webhook_handler import WebhookHandler
from aioyookassa.types.enum import ConfirmationType, Currency, PaymentStatus
from aioyookassa.types.params import CapturePaymentParams, CreatePaymentParams, CreateRefundParams
from aioyookassa.types.payment import Confirmation, PaymentAmount
from dd_yandex_pay import YandexPayClient
from requests import HTTPError
from simple_stripe_client import Api as StripeClient
from tinkoff_acquiring import TinkoffAcquiringAPIClient
from tinkoff_acquiring.client import TinkoffAPIException

from providers.yookassa.plugin import SANDBOX_SHOP
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.sandbox import API_KEY, ProviderWorld, running
from tests.support.yookassa import API, YooKassaWorld, a_yookassa_world


async def off_the_loop(call: Any, *arguments: Any, **named: Any) -> Any:
    """The client blocks; the sandbox it calls runs in this loop."""
    return await asyncio.to_thread(call, *arguments, **named)


async def pays(world: ProviderWorld, id: str) -> None:
    """The customer pays on the provider's page."""
    await world.ask("POST", f"/pay/{id}", json={"outcome": "pay"}, headers={"Accept": "application/json"})


@pytest.fixture
async def shop(tmp_path):
    async with a_yookassa_world(tmp_path) as world:
        yield world


@pytest.fixture
async def yookassa(shop: YooKassaWorld):
    client = YooKassa(api_key=API_KEY, shop_id=SANDBOX_SHOP)
    client.BASE_URL = f"{shop.url}{API}"
    yield client
    await client.close()


def roubles(value: float) -> PaymentAmount:
    return PaymentAmount(value=value, currency=Currency.RUB)


async def opened(client: YooKassa, *, capture: bool) -> Any:
    return await client.payments.create_payment(
        CreatePaymentParams(
            amount=roubles(100.00),
            capture=capture,
            confirmation=Confirmation(type=ConfirmationType.REDIRECT, return_url="https://cinema.example/paid"),
            description="a film",
        )
    )


async def test_aioyookassa_holds_captures_refunds_and_reads(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=False)
    assert payment.status == PaymentStatus.PENDING
    assert payment.confirmation.url.startswith(shop.url)
    await pays(shop, payment.id)
    held = await yookassa.payments.get_payment(payment.id)
    assert (held.status, held.paid) == (PaymentStatus.WAITING_FOR_CAPTURE, True)
    taken = await yookassa.payments.capture_payment(payment.id, CapturePaymentParams(amount=roubles(80.00)))
    assert (taken.status, float(taken.amount.value)) == (PaymentStatus.SUCCEEDED, 80.00)
    refund = await yookassa.refunds.create_refund(CreateRefundParams(payment_id=payment.id, amount=roubles(30.00)))
    assert (refund.status, refund.payment_id) == ("succeeded", payment.id)
    assert float((await yookassa.payments.get_payment(payment.id)).refunded_amount.value) == 30.00


async def test_aioyookassa_cancels_a_hold(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=False)
    await pays(shop, payment.id)
    assert (await yookassa.payments.cancel_payment(payment.id)).status == PaymentStatus.CANCELED


async def test_aioyookassa_reads_our_notifications(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=True)
    await pays(shop, payment.id)
    await shop.until(lambda: bool(shop.events()))
    handler = WebhookHandler()
    read = await handler.handle_notification(handler.parse_notification(json.loads(shop.tokens[-1])))
    assert (read.id, read.status, float(read.amount.value)) == (payment.id, PaymentStatus.SUCCEEDED, 100.00)


@pytest.fixture
async def terminal(tmp_path):
    async with running(TBankWorld(tmp_path)) as world:
        yield world


@pytest.fixture
def tbank(terminal: TBankWorld) -> TinkoffAcquiringAPIClient:
    settings: Any = terminal.provider_settings[terminal.provider]
    client = TinkoffAcquiringAPIClient(settings.terminal_key, settings.password.get_secret_value())
    client.API_ENDPOINT = f"{settings.url}/v2/"
    return client


async def test_tinkoff_acquiring_opens_reads_and_gives_back(
    terminal: TBankWorld, tbank: TinkoffAcquiringAPIClient
) -> None:
    opened = await tbank.init_payment(100.00, "order-1", "a film", success_url="https://cinema.example/paid")
    assert (opened["Status"], opened["Amount"], opened["OrderId"]) == ("NEW", 10_000, "order-1")
    assert opened["PaymentURL"].startswith(terminal.url)
    await pays(terminal, opened["PaymentId"])
    assert (await tbank.get_payment_state(opened["PaymentId"]))["Status"] == "CONFIRMED"
    assert (await tbank.cancel_payment(opened["PaymentId"]))["Status"] == "REFUNDED"


async def test_tinkoff_acquiring_is_refused_with_another_password(
    terminal: TBankWorld, tbank: TinkoffAcquiringAPIClient
) -> None:
    tbank.secret = "another"
    with pytest.raises(TinkoffAPIException):
        await tbank.init_payment(100.00, "order-2", "a film")
    assert (await terminal.totals())["authorized"] == 0


@pytest.fixture
async def account(tmp_path):
    async with running(StripeWorld(tmp_path)) as world:
        yield world


@pytest.fixture
def stripe(account: StripeWorld) -> StripeClient:
    return StripeClient(API_KEY, base_url=f"{account.url}/stripe")


async def charged(stripe: StripeClient, **fields: Any) -> Any:
    charge = {"amount": 10_000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true", **fields}
    return await off_the_loop(stripe.payment_intents.post, **charge)


async def test_simple_stripe_client_holds_captures_refunds_and_lists(stripe: StripeClient) -> None:
    held = await charged(stripe, capture_method="manual", metadata={"order": "ours"})
    assert (held["status"], held["metadata"]) == ("requires_capture", {"order": "ours"})
    taken = await off_the_loop(stripe.payment_intents.id(held["id"]).capture.post, amount_to_capture=8_000)
    assert (taken["status"], taken["amount_received"]) == ("succeeded", 8_000)
    refund = await off_the_loop(stripe.refunds.post, payment_intent=held["id"], amount=3_000)
    assert (refund["status"], refund["amount"]) == ("succeeded", 3_000)
    listed = await off_the_loop(stripe.refunds.get, payment_intent=held["id"], limit=10)
    assert [row["id"] for row in listed["data"]] == [refund["id"]]
    moved = await off_the_loop(stripe.balance_transactions.get)
    assert {row["type"]: row["amount"] for row in moved["data"]} == {"charge": 8_000, "refund": -3_000}


async def test_simple_stripe_client_cancels_a_hold_and_reads_the_refusals(stripe: StripeClient) -> None:
    held = await charged(stripe, capture_method="manual")
    canceled = await off_the_loop(stripe.payment_intents.id(held["id"]).cancel.post)
    assert canceled["status"] == "canceled"
    late = await off_the_loop(stripe.payment_intents.id(held["id"]).capture.post)
    assert late["error"]["code"] == "payment_intent_unexpected_state"
    unknown = await off_the_loop(stripe.payment_intents.id("pi_unknown").get)
    assert unknown["error"]["code"] == "resource_missing"


async def test_fancy_stripe_believes_our_events_under_either_secret(account: StripeWorld, stripe: StripeClient) -> None:
    headers: list[dict[str, str]] = []
    verify = account.verifier.verify

    async def listen(given: Any, body: bytes, peer: str | None = None) -> Any:
        headers.append(dict(given))
        return await verify(given, body, peer)

    account.verifier.verify = listen  # type: ignore[method-assign]
    await charged(stripe)
    await account.until(lambda: bool(headers))
    body = account.tokens[0].decode()
    believed = {
        secret: fancy_stripe.webhook.verify_delivery(body, headers[0], secret).ok
        for secret in ("whsec_old", "whsec_new", "whsec_foreign")
    }
    assert believed == {"whsec_old": True, "whsec_new": True, "whsec_foreign": False}


@pytest.fixture
async def merchant(tmp_path):
    async with running(ProviderWorld(tmp_path)) as world:
        yield world


@pytest.fixture
def yandex_pay(merchant: ProviderWorld) -> YandexPayClient:
    return YandexPayClient(API_KEY, base_url=f"{merchant.url}/yandex-pay/api/merchant/")


def a_cart(price: str) -> dict[str, Any]:
    item = {"productId": "film-1", "title": "a film", "quantity": {"count": "1"}, "total": price}
    return {"items": [item], "total": {"amount": price}}


async def held_at_yandex_pay(merchant: ProviderWorld, yandex_pay: YandexPayClient, id: str) -> None:
    await merchant.tell("merchant", two_stage=True)
    urls = {"onSuccess": "https://cinema.example/paid", "onError": "https://cinema.example/failed"}
    opened = await off_the_loop(yandex_pay.create_order, a_cart("100.00"), "RUB", id, urls, ["CARD"], ttl=1800)
    assert opened["paymentUrl"].startswith(merchant.url)
    await pays(merchant, id)
    assert (await off_the_loop(yandex_pay.get_order, id))["order"]["paymentStatus"] == "AUTHORIZED"


async def test_dd_yandex_pay_holds_captures_refunds_and_reads(
    merchant: ProviderWorld, yandex_pay: YandexPayClient
) -> None:
    await held_at_yandex_pay(merchant, yandex_pay, "order-1")
    taken = await off_the_loop(yandex_pay.capture_order, "order-1", a_cart("80.00"), "capture-1", "80.00")
    assert (taken["operation"]["operationType"], taken["operation"]["amount"]) == ("CAPTURE", "80.00")
    refund = await off_the_loop(yandex_pay.refund_order_v2, "order-1", "80.00", "refund-1")
    assert refund["operation"]["operationType"] == "REFUND"
    await merchant.until(lambda: "REFUNDED" in merchant.statuses())
    assert (await off_the_loop(yandex_pay.get_operation, "refund-1"))["operation"]["status"] == "SUCCESS"


async def test_dd_yandex_pay_cancels_a_hold_and_raises_what_is_refused(
    merchant: ProviderWorld, yandex_pay: YandexPayClient
) -> None:
    await held_at_yandex_pay(merchant, yandex_pay, "order-2")
    canceled = await off_the_loop(yandex_pay.cancel_order, "order-2", "no longer wanted", "cancel-1")
    assert canceled["operation"]["operationType"] == "VOID"
    await merchant.until(lambda: "VOIDED" in merchant.statuses())
    with pytest.raises(HTTPError, match="409"):
        await off_the_loop(yandex_pay.capture_order, "order-2", externalOperationId="capture-2")
    with pytest.raises(HTTPError, match="404"):
        await off_the_loop(yandex_pay.get_order, "order-3")
    stranger = YandexPayClient("another", base_url=yandex_pay.base_url)
    with pytest.raises(HTTPError, match="401"):
        await off_the_loop(stranger.get_order, "order-2")
