"""An integrator on the running stack: sells subscriptions by the Python client, their customers pay the sandbox' pages, and a
test clock lets them live through months."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from billing_client import (
    BillingClient,
    ClockStatus,
    Consent,
    Contact,
    NewPrice,
    NewSubscription,
    Refused,
    ReturnUrls,
    Subscription,
    SubscriptionStatus,
)

PATIENCE_S = 180
AMOUNT = 39_900
START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


class Integrator:
    """A plan and a clock of a test's own, the client, and the customer's browser."""

    def __init__(self, stack: dict[str, Any], billing: BillingClient, http: aiohttp.ClientSession) -> None:
        self.billing, self.http = billing, http
        self.faults = f"{stack['urls']['sandbox']}/_sandbox/faults"
        self.plan = f"cinema-{uuid4().hex[:8]}"
        self.clock = UUID(int=0)

    async def prepare(self) -> None:
        await self.billing.plans.create(self.plan, "Cinema")
        await self.billing.plans.add_price(self.plan, NewPrice(currency="RUB", amount=AMOUNT, products=["cinema"]))
        self.clock = (await self.billing.test_clocks.create("a test", at=START)).id

    async def subscribe(self, customer: str) -> UUID:
        """The customer subscribes, and pays the page."""
        new = NewSubscription(
            customer_id=f"{customer}-{self.plan}",
            plan=self.plan,
            currency="RUB",
            provider="yookassa",
            consent=Consent(terms_sha256="ab" * 32, shown={"price": "399 ₽ a month"}),
            contact=Contact(email="ann@cinema.example"),
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/unpaid"),
            test_clock=self.clock,
        )
        begun = await self.billing.subscriptions.create(new, wait_s=20)
        with pytest.raises(Refused) as second:
            await self.billing.subscriptions.create(new)
        assert second.value.code == "first-payment-open"
        assert begun.subscription is not None
        await self.pay(begun.subscription)
        await self.until(begun.id, lambda s: s.status is SubscriptionStatus.ACTIVE)
        return begun.id

    async def pay(self, subscription: Subscription) -> None:
        """The customer pays on the page of the payment that is under way."""
        assert subscription.latest_payment is not None
        url = subscription.latest_payment.payment_url
        assert url is not None
        async with self.http.post(url, data={"outcome": "pay"}, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()

    async def until(self, id: UUID, reached: Callable[[Subscription], bool]) -> Subscription:
        """The first change after which the subscription is as it should be."""
        async with asyncio.timeout(PATIENCE_S):
            async for subscription in self.billing.subscriptions.changes(id):
                if reached(subscription):
                    return subscription
        raise AssertionError

    async def advance(self, to: datetime) -> None:
        clock = await self.billing.test_clocks.advance(self.clock, to, within_s=PATIENCE_S)
        assert (clock.status, clock.now_at, clock.charges_open) == (ClockStatus.READY, to, 0)

    async def declining(self, charges: int) -> None:
        """The bank declines the next charges of saved methods."""
        fault = {"fault": "decline:insufficient_funds", "provider": "yookassa", "operation": "recur", "count": charges}
        async with self.http.post(self.faults, json=fault) as answer:
            answer.raise_for_status()

    async def cancels_and_keeps(self, id: UUID) -> None:
        """The customer cancels at the end of the period, as the preview says, and takes it back."""
        preview = await self.billing.subscriptions.preview_cancel(id)
        cancelled = await self.billing.subscriptions.cancel(id, wait_s=20)
        assert cancelled is not None
        assert (cancelled.ends_at, cancelled.refunded) == (preview.ends_at, 0)
        kept = await self.billing.subscriptions.keep(id, wait_s=20)
        assert kept is not None
        assert (kept.status, kept.cancel_at) == (SubscriptionStatus.ACTIVE, None)

    async def cancels_now(self, id: UUID) -> int:
        """The customer cancels at once; what is given back, as the preview says, once for all repeats."""
        preview = await self.billing.subscriptions.preview_cancel(id, when="NOW")
        key = uuid4().hex
        for _ in range(2):
            gone = await self.billing.subscriptions.cancel(id, when="NOW", idempotency_key=key, wait_s=20)
            assert gone is not None
            assert 0 < gone.refunded == preview.refunded < AMOUNT
            assert gone.subscription is not None
            assert gone.subscription.status is SubscriptionStatus.ENDED
        return preview.refunded

    async def given_back(self, payment: UUID, amount: int) -> None:
        """The provider has given back so much of the payment."""
        async with asyncio.timeout(PATIENCE_S):
            async for shown in self.billing.changes(payment):
                if shown.refunded:
                    assert shown.refunded == amount
                    return


@asynccontextmanager
async def an_integrator(stack: dict[str, Any]) -> AsyncIterator[Integrator]:
    """With a plan and a clock; the sandbox has no faults afterwards."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
        BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing,
    ):
        one = Integrator(stack, billing, http)
        await one.prepare()
        try:
            yield one
        finally:
            async with http.delete(one.faults) as cleared:
                cleared.raise_for_status()
