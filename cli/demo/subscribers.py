"""The demo's subscribers. They use HTTP only, as a real shop and real browsers do."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import aiohttp
from billing_client import (
    BillingClient,
    Consent,
    Contact,
    NewPrice,
    NewSubscription,
    NoAnswer,
    NotFound,
    ReturnUrls,
    Unavailable,
)

from cli.demo.shop import CONCURRENCY, CURRENCY, PATIENCE_S, PROVIDERS, RETRY_S, side_by_side
from providers.sandbox.cards import card_of
from providers.sandbox.customer_behaviour import visit
from providers.sandbox.faults import DECLINE, METHOD_REVOKED

#: Price of a month, minor units.
AMOUNT: Final = 39_900
#: What the year has.
MONTHS: Final = 12
#: Customers who join later do so in these months, by turns.
_LATER: Final = 8


class Path(StrEnum):
    """What becomes of a subscriber within the year."""

    STAYS = "stays"
    RECOVERS = "recovers"
    """The card has not enough money, twice; then it has."""
    PAYS = "pays on a page"
    """The card has expired; the customer pays with another one."""
    DIES = "dies"
    """The card is revoked, and nobody pays."""
    CANCELS = "cancels"
    REMOVES = "removes the method"


#: By the last two digits of the customer's number, of twenty each.
_PATHS: Final = {
    0: Path.RECOVERS,
    10: Path.RECOVERS,
    1: Path.DIES,
    2: Path.CANCELS,
    12: Path.CANCELS,
    3: Path.PAYS,
    4: Path.REMOVES,
}


def path(number: int) -> Path:
    """Of every twenty customers two recover, one dies, two cancel, one pays on a page, one removes the method."""
    return _PATHS.get(number % 20, Path.STAYS)


def joins(number: int) -> int:
    """The month, from 0, in which customer ``number`` subscribes: six of ten at once."""
    later = 1 + number // 5 % _LATER
    return (0, 0, 0, later, later)[number % 5]


def turns(number: int) -> int:
    """The month, from 0, in which customer ``number`` takes another path than to stay: so early that the year shows where
    it leads."""
    return joins(number) + 1 + number // 10 * 2 % (MONTHS - 2 - joins(number))


def fault(taken: Path, provider: str, method: str) -> dict[str, Any] | None:
    """The fault of the sandbox that puts a customer with this saved method on the path; ``None``: it takes none."""
    if taken is Path.DIES:
        return {"fault": METHOD_REVOKED, "operation": "recur", "method": method, "rate": 1.0}
    if taken not in (Path.RECOVERS, Path.PAYS):
        return None
    card = card_of("4000 0000 0000 9995" if taken is Path.RECOVERS else "4000 0000 0000 0069")
    assert card is not None
    name = f"{DECLINE}{card.codes[provider]}"
    return {"fault": name, "operation": "recur", "method": method, "count": 2 if taken is Path.RECOVERS else 1}


@dataclass
class Subscribers:
    """The customers of one ``run``, who subscribe to a plan of their own and live by the test clock ``clock``."""

    billing: BillingClient
    http: aiohttp.ClientSession
    run: str
    clock: UUID
    count: int
    #: Customer's number → subscription.
    ids: dict[int, UUID] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """What they subscribe to."""
        return f"demo-{self.run}"

    def customer(self, number: int) -> str:
        """The customer's id at the cinema."""
        return f"subscriber-{self.run}-{number}"

    def provider(self, number: int) -> str:
        """All providers by turns."""
        return PROVIDERS[(number + number // 20) % len(PROVIDERS)]

    async def offer(self) -> None:
        """Offer the plan."""
        await self.billing.plans.create(self.plan, "Cinema", idempotency_key=f"{self.run}-plan")
        price = NewPrice(currency=CURRENCY, amount=AMOUNT, products=["cinema"])
        await self.billing.plans.add_price(self.plan, price, idempotency_key=f"{self.run}-price")

    async def subscribe(self, numbers: Iterable[int]) -> None:
        """These customers subscribe and pay the first month."""

        async def subscribe(number: int) -> None:
            key = f"{self.run}-subscribe-{number}"
            opened = await self.billing.subscriptions.create(self._order(number), idempotency_key=key)
            self.ids[number] = opened.id
            await self._pay_page(opened.id)

        await side_by_side(subscribe, numbers, CONCURRENCY)

    async def pay(self, numbers: Iterable[int]) -> None:
        """These customers pay what was declined."""

        async def pay(number: int) -> None:
            await self.billing.subscriptions.pay(self.ids[number], idempotency_key=f"{self.run}-pay-{number}")
            await self._pay_page(self.ids[number])

        await side_by_side(pay, numbers, CONCURRENCY)

    async def cancel(self, numbers: Iterable[int]) -> None:
        """These customers cancel at the end of the month."""

        async def cancel(number: int) -> None:
            await self.billing.subscriptions.cancel(self.ids[number], idempotency_key=f"{self.run}-cancel-{number}")

        await side_by_side(cancel, numbers, CONCURRENCY)

    async def remove_methods(self, numbers: Iterable[int]) -> None:
        """These customers remove what is charged."""

        async def remove(number: int) -> None:
            for method in await self.billing.payment_methods(self.customer(number)):
                await self.billing.remove_payment_method(method.id)

        await side_by_side(remove, numbers, CONCURRENCY)

    def _order(self, number: int) -> NewSubscription:
        return NewSubscription(
            customer_id=self.customer(number),
            consent=Consent(terms_sha256="ab" * 32, shown={"price": "399 a month"}),
            plan=self.plan,
            currency=CURRENCY,
            provider=self.provider(number),
            contact=Contact(email="viewer@example.com"),
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/failed"),
            metadata={"demo": self.run},
            test_clock=self.clock,
        )

    async def _pay_page(self, id: UUID) -> None:
        """Wait for the payment page, and pay it. A service may be unavailable: retried for :data:`PATIENCE_S`."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                payment = (await self.billing.subscriptions.read(id)).latest_payment
                if payment is not None and payment.payment_url is not None:
                    await visit(self.http, payment.payment_url, "pay")
                    return
            except (NotFound, NoAnswer, Unavailable, aiohttp.ClientError, OSError, TimeoutError):
                pass  # not in Postgres yet, or unavailable: retried below, until the deadline
            if time.monotonic() > deadline:
                raise TimeoutError(f"subscription {id} has no payment page")
            await asyncio.sleep(RETRY_S)
