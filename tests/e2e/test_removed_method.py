"""A method is removed over REST while a thousand renewals that charge it wait in Kafka: none of them reaches the provider."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from billing_client import BillingClient, Cart, Item, NewPayment, PaymentStatus, ReturnUrls

from billing.messages import Envelope, Message
from billing.messages.subscription_commands import Consent, Subscribe, Wake
from billing.messages.topics import SUBSCRIPTIONS
from billing.subscriptions.methods import Method
from billing.subscriptions.prices import subscription_id
from providers.sandbox.customer_behaviour import visit
from tests.conftest import Stack
from tests.support.shop import audited
from tests.support.subscriptions import price, subscribe

RENEWALS = 1_000
#: Whose orders go by our ids, so that one is found without reading a list.
PROVIDER, CLIENT = "yandex-pay", "demo"
#: The provider takes a charge at once and answers so much later: 36 at once take a minute for all.
ANSWER_MS = 2_000
#: Charges that the provider has when the method is removed.
CALLED_BEFORE = 50
PATIENCE_S = 120


class Subscriber:
    """One customer with one saved method and a subscription in each of a thousand groups of plans."""

    def __init__(self, stack: dict[str, Any], books: asyncpg.Connection, billing: BillingClient) -> None:
        self.urls, self.books, self.billing = stack["urls"], books, billing
        self.customer = f"customer-{uuid4().hex}"

    async def save_method(self, http: aiohttp.ClientSession) -> Method:
        """Pay once, and keep what was paid with."""
        payment = NewPayment(
            customer_id=self.customer,
            currency="RUB",
            amount=39_900,
            provider=PROVIDER,
            cart=Cart([Item("cinema", "Cinema", 1, 39_900)]),
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/unpaid"),
            save_method=True,
        )
        opened = await self.billing.create_payment(payment, wait_s=20)
        assert opened.payment_url is not None
        await visit(http, opened.payment_url, "pay")
        async with asyncio.timeout(PATIENCE_S):
            async for changed in self.billing.changes(opened.id):
                if changed.status is PaymentStatus.CAPTURED:
                    break
        (saved,) = await self.billing.payment_methods(self.customer)
        ref = await self.books.fetchval("SELECT method_ref FROM saved_methods WHERE id = $1", saved.id)
        return Method(saved.id, PROVIDER, ref)

    async def subscribe(self, method: Method, clock: UUID) -> None:
        """Begin all subscriptions, each paid by the method."""
        await self._send([self._command(f"group-{n}", method, clock) for n in range(RENEWALS)])

    async def wake(self, at: datetime) -> None:
        """All of them are due at ``at`` (UTC)."""
        rows = await self.books.fetch("SELECT id FROM subscriptions WHERE customer_id = $1", self.customer)
        await self._send([Wake(UUID(str(row["id"])), at=at) for row in rows])

    async def _send(self, messages: Sequence[Message]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.urls["kafka"], acks="all", linger_ms=5) as producer:
            for message in messages:
                subject = str(message.subject_id)
                envelope = Envelope.wrap(
                    message, id=uuid4().hex, source="/test", subject=subject, time=datetime.now(UTC)
                )
                await producer.send(SUBSCRIPTIONS.name, envelope.encode(), key=subject.encode())

    def _command(self, group: str, method: Method, clock: UUID) -> Subscribe:
        id = subscription_id(CLIENT, group, self.customer)
        return subscribe(
            subscription_id=id,
            client_id=CLIENT,
            customer_id=self.customer,
            price=price(group=group),
            provider=PROVIDER,
            method=method,
            clock_id=clock,
            consent=Consent(uuid5(id, "consent"), "ab" * 32),
        )

    async def states(self, purpose: str) -> dict[str, int]:
        """State → attempts."""
        rows = await self.books.fetch(
            "SELECT a.state, count(*) FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id"
            " WHERE s.customer_id = $1 AND a.purpose = $2 GROUP BY 1",
            self.customer,
            purpose,
        )
        return {row["state"]: row["count"] for row in rows}

    async def until(self, purpose: str, *states: str, number: int) -> None:
        """Wait until so many attempts are in these states."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = await self.states(purpose)
            if sum(found.get(state, 0) for state in states) >= number:
                return
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.2)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), raise_for_status=True) as session:
        yield session


@pytest.fixture
async def subscriber(stack: dict[str, Any]) -> AsyncIterator[Subscriber]:
    books = await asyncpg.connect(stack["urls"]["postgres"])
    async with BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing:
        yield Subscriber(stack, books, billing)
    await books.close()


async def calls_since(http: aiohttp.ClientSession, sandbox: str, since: float) -> list[float]:
    """When the provider got each charge, by its own record (Unix seconds)."""
    async with http.get(f"{sandbox}/_sandbox/book", params={"since": str(since), "limit": "100000"}) as answer:
        orders = (await answer.json())["orders"]
    return [order["created"] for order in orders if order["provider"] == PROVIDER and "recur" in order["requests"]]


# A thousand subscriptions begin, each with a charge, before a thousand renewals: two minutes on a machine of two cores that
# does nothing else.
@pytest.mark.long
@pytest.mark.timeout(600)
async def test_no_renewal_reaches_the_provider_after_the_removal_is_answered(
    running: Stack, http: aiohttp.ClientSession, subscriber: Subscriber
):
    sandbox, books = subscriber.urls["sandbox"], subscriber.books
    clock = UUID(json.loads(running.billing("clock", "create", "a removal", "--json").stdout)["id"])
    method = await subscriber.save_method(http)
    await subscriber.subscribe(method, clock)
    await subscriber.until("FIRST", "PAID", number=RENEWALS)
    slow = {"fault": "callback_before_answer", "provider": PROVIDER, "operation": "recur", "rate": 1.0}
    await http.post(f"{sandbox}/_sandbox/faults", json=slow | {"delay_ms": ANSWER_MS})
    try:
        due = time.time()
        await subscriber.wake(datetime.now(UTC) + timedelta(days=32))
        async with asyncio.timeout(PATIENCE_S):
            while len(await calls_since(http, sandbox, due)) < CALLED_BEFORE:
                await asyncio.sleep(0.05)
        await subscriber.billing.remove_payment_method(method.id)
        answered = time.time()
        await subscriber.until("RENEWAL", "PAID", "FAILED", "WITHDRAWN", number=RENEWALS)
    finally:
        await http.delete(f"{sandbox}/_sandbox/faults")

    calls = await calls_since(http, sandbox, due)
    assert CALLED_BEFORE <= len(calls) < RENEWALS // 2, "most of them were still to be sent"
    assert max(calls) < answered + 1.0
    assert await subscriber.states("RENEWAL") == {"PAID": len(calls), "FAILED": RENEWALS - len(calls)}
    reasons = await books.fetch(
        "SELECT DISTINCT reason FROM renewal_attempts a JOIN subscriptions s ON s.id = a.subscription_id"
        " WHERE s.customer_id = $1 AND a.state = 'FAILED'",
        subscriber.customer,
    )
    assert [row["reason"] for row in reasons] == ["method_removed"]
    assert audited(running) == []
