"""A payment's whole life at each provider, from the shop's client over Kafka to the provider's own record and back."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
from billing_client import BillingClient, Cart, Item, NewPayment, Opened, Payment, PaymentStatus, RefundLine, ReturnUrls

from tests.conftest import Stack
from tests.support.shop import audited

#: Its merchant has one mode for all payments, in this stack the usual one; tests/integration/providers/test_behaviour.py
#: plays two stages there.
ONE_STAGE_ONLY = "yandex-pay"
PROVIDERS = ("yandex-pay", "yookassa", "stripe", "tbank")
CART = Cart([Item("film-1", "Stalker", 1, 49_900), Item("film-2", "Mirror", 2, 29_900)])
AMOUNT = 109_700


class Buyer:
    """A shop, its customer, and the provider's own record."""

    def __init__(
        self, stack: dict[str, Any], provider: str | None, billing: BillingClient, http: aiohttp.ClientSession
    ) -> None:
        self._sandbox = stack["urls"]["sandbox"]
        self.provider = provider
        self.billing = billing
        self._http = http

    async def open(self, **fields: Any) -> tuple[UUID, str]:
        """An opened payment: its id and the page to pay it on."""
        opened = await self.create(**fields)
        assert opened.payment_url is not None
        return opened.id, opened.payment_url

    async def create(self, **fields: Any) -> Opened:
        payment = NewPayment(
            customer_id="customer-1",
            currency="RUB",
            amount=AMOUNT,
            provider=self.provider,
            cart=CART,
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/unpaid"),
            **fields,
        )
        return await self.billing.create_payment(payment, wait_s=20)

    async def pay(self, url: str) -> None:
        """The customer opens the page and presses the button."""
        async with self._http.get(url) as page:
            assert "Pay" in await page.text()
        async with self._http.post(url, data={"outcome": "pay"}, allow_redirects=False) as answer:
            assert answer.status == 303

    async def becomes(self, id: UUID, status: PaymentStatus) -> Payment:
        async for payment in self.billing.changes(id):
            if payment.status is status:
                return payment
        raise AssertionError(status)

    async def taken_and_returned(self, url: str) -> tuple[int, int]:
        """Captured and refunded in the provider's own record."""
        where = {"order_id": urlsplit(url).path.rpartition("/")[2]}
        async with self._http.get(f"{self._sandbox}/_sandbox/book", params=where) as answer:
            (order,) = (await answer.json())["orders"]
        return order["captured"], order["refunded"]


@pytest.fixture(params=PROVIDERS)
async def buyer(request, stack) -> AsyncIterator[Buyer]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), raise_for_status=True) as http,
        BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing,
    ):
        yield Buyer(stack, request.param, billing, http)


async def test_what_is_paid_is_captured_and_given_back_in_part_and_whole(buyer: Buyer):
    id, url = await buyer.open()
    await buyer.pay(url)
    assert (await buyer.becomes(id, PaymentStatus.CAPTURED)).captured == AMOUNT

    await buyer.billing.refund(id, "one film less", items=[RefundLine("film-2", 1)], idempotency_key="part")
    assert (await buyer.becomes(id, PaymentStatus.PARTIALLY_REFUNDED)).refunded == 29_900
    await buyer.billing.refund(id, "all the rest")
    assert (await buyer.becomes(id, PaymentStatus.REFUNDED)).refunded == AMOUNT

    assert await buyer.taken_and_returned(url) == (AMOUNT, AMOUNT)


async def test_what_is_held_is_captured_in_part_or_given_back(buyer: Buyer):
    if buyer.provider == ONE_STAGE_ONLY:
        refused = await buyer.create(capture_mode="TWO_STAGE")
        assert refused.payment is not None
        assert (refused.payment.status, refused.payment.reason) == (PaymentStatus.FAILED, "unsupported_capture_mode")
        return
    taken, taken_url = await buyer.open(capture_mode="TWO_STAGE")
    released, released_url = await buyer.open(capture_mode="TWO_STAGE")
    for id, url in ((taken, taken_url), (released, released_url)):
        await buyer.pay(url)
        assert (await buyer.becomes(id, PaymentStatus.AUTHORIZED)).authorized == AMOUNT
    less = Cart([CART.items[0]])
    await buyer.billing.capture(taken, amount=49_900, cart=less)
    await buyer.billing.void(released, "sold out")
    assert (await buyer.becomes(taken, PaymentStatus.CAPTURED)).captured == 49_900
    await buyer.becomes(released, PaymentStatus.VOIDED)
    assert await buyer.taken_and_returned(taken_url) == (49_900, 0)
    assert await buyer.taken_and_returned(released_url) == (0, 0)


def test_every_part_agrees_on_all_of_it(running: Stack):
    assert audited(running) == []
