"""The demo's shop and its customers. They use HTTP only, as a real shop and real browsers do."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import aiohttp
from billing_client import (
    BillingClient,
    Cart,
    Item,
    NewPayment,
    NoAnswer,
    NotFound,
    ProblemError,
    Repeats,
    ReturnUrls,
    Unavailable,
)

from providers.registry import PLUGINS
from providers.sandbox.customer_behaviour import visit

#: Customers served at once.
CONCURRENCY: Final = 20
#: Seconds that a customer keeps retrying while a service is unavailable.
PATIENCE_S: Final = 90.0
RETRY_S: Final = 0.3

CATALOGUE: Final = (
    ("film-stalker", "Stalker (1979)", 29_900),
    ("film-solaris", "Solaris (1972)", 24_900),
    ("film-mirror", "Mirror (1975)", 19_900),
    ("service-4k", "4K for a month", 9_900),
    ("subscription-month", "Subscription, one month", 39_900),
)


PROVIDERS: Final = tuple(PLUGINS)
#: Those where a declined card ends the payment.
DECLINING: Final = tuple(name for name, plugin in PLUGINS.items() if plugin.capabilities.declines_are_final)
#: All that is sold here.
CURRENCY: Final = "RUB"


T = TypeVar("T")


async def side_by_side(work: Callable[[T], Awaitable[object]], items: Iterable[T], most: int) -> None:
    """Do ``work`` for all items, for at most ``most`` at once."""
    slots = asyncio.Semaphore(most)

    async def one(item: T) -> None:
        async with slots:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))


class Behaviour(StrEnum):
    PAYS = "pay"
    DECLINES = "decline"
    ABANDONS = "walk_away"


@dataclass
class Shop:
    """Creates payments and sends customers to pay them. ``run`` identifies everything that belongs to one demo."""

    ingest_url: str
    api_key: str
    run: str
    seed: int
    #: Payment ids that the API accepted with a 2xx: none may be lost.
    accepted: set[str] = field(default_factory=set)
    visited: int = 0
    #: Seconds that a customer or the shop keeps retrying.
    patience_s: float = PATIENCE_S
    refused: list[str] = field(default_factory=list)

    def customer(self, number: int) -> str:
        """The customer's id at the cinema."""
        return f"demo-{self.run}-{number}"

    def behaviour(self, number: int) -> Behaviour:
        """What customer ``number`` does: 8 of 10 pay, one is declined, one abandons the checkout."""
        return (Behaviour.DECLINES, Behaviour.ABANDONS, *[Behaviour.PAYS] * 8)[number % 10]

    def provider(self, number: int) -> str | None:
        """The provider of customer ``number``: all of them by turns. A customer who will be declined is sent to one where
        that ends the payment; elsewhere the page stays open, and the payment pending."""
        providers = DECLINING if self.behaviour(number) is Behaviour.DECLINES else PROVIDERS
        return providers[(number + number // 10) % len(providers)]

    async def open(self, customers: int) -> None:
        """Serve all customers."""
        timeout = aiohttp.ClientTimeout(total=40)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            billing = BillingClient(
                self.ingest_url,
                self.api_key,
                repeats=Repeats(patience_s=self.patience_s, timeout_s=30),
                session=session,
            )

            await side_by_side(partial(self._serve, billing, session), range(customers), CONCURRENCY)

    async def _serve(self, billing: BillingClient, session: aiohttp.ClientSession, number: int) -> None:
        try:
            opened = await billing.create_payment(self._order(number), idempotency_key=f"{self.run}-{number}")
        except (Unavailable, NoAnswer):
            return  # unavailable for too long: the report counts it as not accepted
        except ProblemError as refusal:
            self.refused.append(str(refusal))
            return
        self.accepted.add(str(opened.id))
        url = opened.payment_url or await self._retrying(lambda: self._payment_url(billing, opened.id))
        if url is None:
            return
        behaviour = self.behaviour(number)

        async def pay() -> bool:
            await visit(session, url, behaviour.value)
            return True

        if await self._retrying(pay):
            self.visited += 1

    async def _payment_url(self, billing: BillingClient, id: UUID) -> str | None:
        try:
            return (await billing.payment(id)).payment_url
        except NotFound:
            return None  # accepted, and not in Postgres yet

    def _order(self, number: int) -> NewPayment:
        chance = random.Random(self.seed * 1_000_003 + number)  # noqa: S311
        lines = chance.sample(CATALOGUE, chance.randint(1, 3))
        return NewPayment(
            customer_id=self.customer(number),
            currency=CURRENCY,
            amount=sum(price for _, _, price in lines),
            provider=self.provider(number),
            cart=Cart([Item(id, title, 1, price, tax="vat20") for id, title, price in lines]),
            return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/failed"),
            metadata={"demo": self.run},
        )

    async def _retrying(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Retry until there is a result: services may be unavailable, and idempotency keys make retries safe."""
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            try:
                if (result := await attempt()) is not None:
                    return result or None
            except (aiohttp.ClientError, OSError, TimeoutError, NoAnswer, Unavailable):
                pass  # unavailable: retried below, until the deadline
            await asyncio.sleep(RETRY_S)
        return None
