"""Clients that strangers wrote against the providers' real services, against the sandbox: they do not share our reading
of the references. The providers' own libraries are in test_stripe_sdk.py and test_yookassa_rules.py."""

import json
from typing import Any

import pytest
from aioyookassa import YooKassa
from aioyookassa.core.webhook_handler import WebhookHandler
from aioyookassa.types.enum import ConfirmationType, Currency, PaymentStatus
from aioyookassa.types.params import CapturePaymentParams, CreatePaymentParams, CreateRefundParams
from aioyookassa.types.payment import Confirmation, PaymentAmount
from tinkoff_acquiring import TinkoffAcquiringAPIClient
from tinkoff_acquiring.client import TinkoffAPIException

from providers.yookassa.plugin import SANDBOX_SHOP
from tests.support.named_providers import TBankWorld
from tests.support.sandbox import API_KEY, running
from tests.support.yookassa import API, YooKassaWorld, a_yookassa_world


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


async def paid(shop: YooKassaWorld, id: str) -> None:
    await shop.ask("POST", f"/pay/{id}", json={"outcome": "pay"}, headers={"Accept": "application/json"})


async def test_aioyookassa_holds_captures_refunds_and_reads(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=False)
    assert payment.status == PaymentStatus.PENDING
    assert payment.confirmation.url.startswith(shop.url)
    await paid(shop, payment.id)
    held = await yookassa.payments.get_payment(payment.id)
    assert (held.status, held.paid) == (PaymentStatus.WAITING_FOR_CAPTURE, True)
    taken = await yookassa.payments.capture_payment(payment.id, CapturePaymentParams(amount=roubles(80.00)))
    assert (taken.status, float(taken.amount.value)) == (PaymentStatus.SUCCEEDED, 80.00)
    refund = await yookassa.refunds.create_refund(CreateRefundParams(payment_id=payment.id, amount=roubles(30.00)))
    assert (refund.status, refund.payment_id) == ("succeeded", payment.id)
    assert float((await yookassa.payments.get_payment(payment.id)).refunded_amount.value) == 30.00


async def test_aioyookassa_cancels_a_hold(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=False)
    await paid(shop, payment.id)
    assert (await yookassa.payments.cancel_payment(payment.id)).status == PaymentStatus.CANCELED


async def test_aioyookassa_reads_our_notifications(shop: YooKassaWorld, yookassa: YooKassa) -> None:
    payment = await opened(yookassa, capture=True)
    await paid(shop, payment.id)
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
    await terminal.ask(
        "POST", f"/pay/{opened['PaymentId']}", json={"outcome": "pay"}, headers={"Accept": "application/json"}
    )
    assert (await tbank.get_payment_state(opened["PaymentId"]))["Status"] == "CONFIRMED"
    assert (await tbank.cancel_payment(opened["PaymentId"]))["Status"] == "REFUNDED"


async def test_tinkoff_acquiring_is_refused_with_another_password(
    terminal: TBankWorld, tbank: TinkoffAcquiringAPIClient
) -> None:
    tbank.secret = "another"
    with pytest.raises(TinkoffAPIException):
        await tbank.init_payment(100.00, "order-2", "a film")
    assert (await terminal.totals())["authorized"] == 0
