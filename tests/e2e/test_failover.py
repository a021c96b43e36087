"""A payment that names no provider moves on where one does not take it, and nobody keeps money they should not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from billing_client import BillingClient, Cart, Item, NewPayment, Payment, PaymentStatus, ProblemError, ReturnUrls

from billing.messages import Envelope, ProviderRequest, decode_envelope
from billing.messages.topics import INBOX, REQUESTS
from deploy.local.layout import Memory
from providers.http import CallLimits
from providers.yandex_pay import YandexPay
from providers.yandex_pay.settings import YandexPaySettings
from tests.conftest import Stack
from tests.support.factories import NOW, a_create, an_order
from tests.support.shop import audited

PATIENCE_S = 30
AMOUNT = 29_900


@dataclass
class Customer:
    """Buys one film, and pays on whichever page they are sent to."""

    billing: BillingClient
    http: aiohttp.ClientSession
    sandbox: str

    async def buys(self) -> Payment:
        payment = NewPayment(
            customer_id="customer-1",
            currency="RUB",
            amount=AMOUNT,
            cart=Cart([Item("film-1", "Stalker", 1, AMOUNT)]),
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/unpaid"),
        )
        opened = await self.billing.create_payment(payment, wait_s=20)
        return await self.billing.payment(opened.id)

    async def on_the_page(self, url: str, outcome: str, reason: str = "LIMIT_EXCEEDED") -> None:
        """``reason``: the bank's, should it decline, in the provider's words."""
        form = {"outcome": outcome, "reason": reason}
        async with self.http.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == 303

    async def sees(self, id: UUID, what: Callable[[Payment], object]) -> Payment:
        async with asyncio.timeout(PATIENCE_S):
            async for payment in self.billing.changes(id):
                if what(payment):
                    return payment
        raise AssertionError("no more changes")

    async def finds(self, id: UUID, what: Callable[[Payment], object]) -> Payment:
        """The payment, once all of it is so: a change tells only of the operations that it concerns."""
        async with asyncio.timeout(PATIENCE_S):
            while not what(payment := await self.billing.payment(id)):
                await asyncio.sleep(0.1)
        return payment

    async def record(self, url: str) -> tuple[int, int]:
        """Taken and given back of the order behind a page, in the provider's own record."""
        where = {"order_id": urlsplit(url).path.rpartition("/")[2]}
        async with self.http.get(f"{self.sandbox}/_sandbox/book", params=where) as answer:
            (order,) = (await answer.json())["orders"]
        return order["captured"], order["refunded"]


@pytest.fixture
async def customer(stack: dict[str, Any]) -> AsyncIterator[Customer]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), raise_for_status=True) as http,
        BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing,
    ):
        yield Customer(billing, http, stack["urls"]["sandbox"])


def switched(running: Stack, word: str) -> None:
    done = running.billing("providers", word, "yandex-pay", "--reason", "a drill", "--actor", "olga")
    assert done.returncode == 0, done.stderr


def asked(payment: Payment) -> list[tuple[str, str | None, str]]:
    return [(o.type, o.provider, o.status) for o in sorted(payment.operations, key=lambda o: o.created_at)]


async def test_a_customer_whom_the_first_provider_declines_pays_at_the_second(customer: Customer, running: Stack):
    opened = await customer.buys()
    assert opened.provider == "yandex-pay"
    first = opened.payment_url
    assert first is not None
    await customer.on_the_page(first, "decline")
    moved = await customer.sees(opened.id, lambda p: p.payment_url not in (None, first))
    assert (moved.provider, moved.status) == ("yookassa", PaymentStatus.PENDING)
    assert moved.payment_url is not None
    await customer.on_the_page(moved.payment_url, "pay")
    await customer.sees(opened.id, lambda p: p.status is PaymentStatus.CAPTURED)
    assert asked(await customer.billing.payment(opened.id)) == [
        ("AUTHORIZE", "yandex-pay", "FAIL"),
        ("AUTHORIZE", "yookassa", "SUCCESS"),
        ("CAPTURE", "yookassa", "SUCCESS"),
    ]
    assert await customer.record(first) == (0, 0)
    assert await customer.record(moved.payment_url) == (AMOUNT, 0)
    assert audited(running) == []


async def test_a_provider_that_is_switched_off_is_passed_over(customer: Customer, running: Stack):
    switched(running, "disable")
    try:
        opened = await customer.buys()
    finally:
        switched(running, "enable")
    assert opened.provider == "yookassa"
    assert opened.payment_url is not None, "who waits gets the page of the provider that is asked in the end"


async def test_money_that_a_thought_dead_worker_let_the_first_provider_take_goes_back(
    customer: Customer, running: Stack, stack: dict[str, Any]
):
    """The first provider is asked by nobody we know of, and the payment moves on; then that call turns out to have
    been made, and the customer pays both orders."""
    switched(running, "disable")
    try:
        opened = await asked_for(customer, stack, "yandex-pay", "yookassa")
    finally:
        switched(running, "enable")
    assert opened.payment_url is not None
    first = await zombie(running, stack, opened.id)
    await customer.on_the_page(opened.payment_url, "pay")
    await customer.on_the_page(first, "pay")
    ended = await customer.finds(  # the providers tell in any order
        opened.id,
        lambda p: (
            p.status is PaymentStatus.CAPTURED
            and any(o.type == "REFUND" and o.status == "SUCCESS" for o in p.operations)
        ),
    )
    assert (ended.status, ended.captured, ended.refunded) == (PaymentStatus.CAPTURED, AMOUNT, 0)
    assert set(asked(ended)) == {
        ("AUTHORIZE", "yandex-pay", "FAIL"),
        ("CAPTURE", "yandex-pay", "SUCCESS"),
        ("REFUND", "yandex-pay", "SUCCESS"),
        ("AUTHORIZE", ended.provider, "SUCCESS"),
        ("CAPTURE", ended.provider, "SUCCESS"),
    }
    assert await customer.record(first) == (AMOUNT, AMOUNT)
    assert await customer.record(opened.payment_url) == (AMOUNT, 0)
    assert audited(running) == []


async def asked_for(customer: Customer, stack: dict[str, Any], *providers: str) -> Payment:
    """A payment for which these providers are to be asked in this order, once one has given it a page."""
    id = uuid4()
    command = a_create(id, client_id="demo", provider=providers[0], alternatives=providers[1:], order=an_order(AMOUNT))
    envelope = Envelope.wrap(command, id=f"{id}/create", source="/test", subject=str(id), time=NOW)
    async with AIOKafkaProducer(bootstrap_servers=stack["urls"]["kafka"], acks="all") as producer:
        await producer.send_and_wait(INBOX.name, envelope.encode(), key=str(id).encode())
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ProblemError):  # not stored yet
                payment = await customer.billing.payment(id)
                if payment.payment_url is not None:
                    return payment
            await asyncio.sleep(0.1)


async def zombie(running: Stack, stack: dict[str, Any], payment_id: UUID) -> str:
    """Make the call that was not made; the page of the order which that opened."""
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    try:
        rows = await connection.fetch("SELECT outputs::text AS outputs FROM journal WHERE payment_id = $1", payment_id)
    finally:
        await connection.close()
    requests = [
        decode_envelope(msgspec.json.encode(output["value"])).open()
        for row in rows
        for output in msgspec.json.decode(row["outputs"])
        if output["topic"] == REQUESTS.name
    ]
    request = next(r for r in requests if isinstance(r, ProviderRequest) and r.provider == "yandex-pay")
    memory = msgspec.json.decode((running.state_dir / "memory.json").read_bytes(), type=Memory)
    adapter = YandexPay(
        YandexPaySettings(url=f"{stack['urls']['sandbox']}/yandex-pay", api_key=memory.secrets["yandex-pay"]),
        CallLimits(15.0, 64),
    )
    await adapter.start()
    try:
        result = await adapter.perform(request)
    finally:
        await adapter.close()
    assert result.payment_url is not None
    return result.payment_url
