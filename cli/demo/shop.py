"""The demo's shop and its customers: everything goes over HTTP, as a real shop and real browsers would."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import aiohttp

from providers.sandbox.customers import visit

#: Customers at work at once.
CONCURRENCY: Final = 20
#: How long a customer or the shop keeps trying while a part of the stack is away.
PATIENCE_S: Final = 90.0
RETRY_S: Final = 0.3

CATALOGUE: Final = (
    ("film-stalker", "Stalker (1979)", 29_900),
    ("film-solaris", "Solaris (1972)", 24_900),
    ("film-mirror", "Mirror (1975)", 19_900),
    ("service-4k", "4K for a month", 9_900),
    ("subscription-month", "Subscription, one month", 39_900),
)


class Behaviour(StrEnum):
    PAYS = "pay"
    DECLINES = "decline"
    WALKS_AWAY = "walk_away"


@dataclass
class Shop:
    """Creates payments and sends customers to pay them. ``run`` marks everything that belongs to one demo."""

    ingest_url: str
    api_key: str
    run: str
    seed: int
    #: Payment ids the API accepted with a 2xx: what must not be lost.
    accepted: set[str] = field(default_factory=set)
    visited: int = 0
    refused: list[str] = field(default_factory=list)

    def customer(self, number: int) -> str:
        """The customer's id at the cinema."""
        return f"demo-{self.run}-{number}"

    def behaviour(self, number: int) -> Behaviour:
        """What customer ``number`` will do: 8 of 10 pay, one is declined, one walks away."""
        return (Behaviour.DECLINES, Behaviour.WALKS_AWAY, *[Behaviour.PAYS] * 8)[number % 10]

    async def open(self, customers: int) -> None:
        """Serve all customers."""
        places = asyncio.Semaphore(CONCURRENCY)
        timeout = aiohttp.ClientTimeout(total=40)
        async with aiohttp.ClientSession(timeout=timeout) as session:

            async def serve(number: int) -> None:
                async with places:
                    await self._serve(session, number)

            async with asyncio.TaskGroup() as group:
                for number in range(customers):
                    group.create_task(serve(number))

    async def _serve(self, session: aiohttp.ClientSession, number: int) -> None:
        payment = await self._patiently(lambda: self._create(session, number))
        if payment is None:
            return
        self.accepted.add(payment["id"])
        if not payment.get("payment_url"):
            payment = await self._patiently(lambda: self._poll(session, payment["id"]))
        if payment is None or not payment.get("payment_url"):
            return
        url, behaviour = payment["payment_url"], self.behaviour(number)

        async def pay() -> bool:
            await visit(session, url, behaviour.value)
            return True

        if await self._patiently(pay):
            self.visited += 1

    async def _create(self, session: aiohttp.ClientSession, number: int) -> Mapping[str, Any] | None:
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": f"{self.run}-{number}"}
        async with session.post(
            f"{self.ingest_url}/v1/payments", json=self._order(number), headers=headers
        ) as response:
            if response.status in (201, 202):
                payment: Mapping[str, Any] = await response.json()
                return payment
            if response.status < 500:  # noqa: PLR2004
                self.refused.append(f"{response.status}: {await response.text()}")
                return {}
            return None

    async def _poll(self, session: aiohttp.ClientSession, id: str) -> Mapping[str, Any] | None:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with session.get(f"{self.ingest_url}/v1/payments/{id}", headers=headers) as response:
            payment: Mapping[str, Any] = await response.json()
            return payment if response.ok and payment.get("payment_url") else None

    def _order(self, number: int) -> dict[str, Any]:
        chance = random.Random(self.seed * 1_000_003 + number)  # noqa: S311
        lines = chance.sample(CATALOGUE, chance.randint(1, 3))
        items = [
            {"product_id": id, "title": title, "quantity": 1, "unit_price": price, "type": "DIGITAL", "tax": "vat20"}
            for id, title, price in lines
        ]
        return {
            "customer_id": self.customer(number),
            "currency": "RUB",
            "amount": sum(price for _, _, price in lines),
            "provider": "yandex-pay",
            "capture_mode": "ONE_STAGE",
            "cart": {"items": items},
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/failed"},
            "metadata": {"demo": self.run},
        }

    async def _patiently(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Try until there is an answer: parts of the stack may be away for a while, and the keys make it safe."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if (answer := await attempt()) is not None:
                    return answer or None
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass  # away: asked again below, until the deadline
            await asyncio.sleep(RETRY_S)
        return None
