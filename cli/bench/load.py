"""Load: clients post payments at full speed or at a steady rate, capture and refund them. The sandbox' customers pay them."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from billing_client import BillingClient, Cart, Item, NewPayment, NoAnswer, ProblemError, Repeats, ReturnUrls

from cli.demo.shop import side_by_side
from providers.registry import PLUGINS

#: The provider of the main load.
FIRST: Final = next(iter(PLUGINS))
#: One attempt each: failures are counted, not retried.
ONCE: Final = Repeats(patience_s=0, timeout_s=60)
#: Clients that go on through an outage come back after this, seconds.
AFTER_FAILURE_S: Final = 0.25


@dataclass
class Load:
    """The requests and their responses. ``answers``: payment id → seconds from request to response."""

    answers: dict[str, float] = field(default_factory=dict)
    accepted: int = 0
    without_url: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Shop:
    """Posts one-stage payments of one item."""

    def __init__(self, ingest_url: str, api_key: str) -> None:
        self._url = ingest_url
        self._api_key = api_key
        self._run = secrets.token_hex(6)
        self._number = 0

    async def rush(self, seconds: float, concurrency: int) -> Load:
        """Full speed: ``concurrency`` clients, each posting again after a response."""
        load, deadline = Load(), time.perf_counter() + seconds

        async def keep_posting(billing: BillingClient) -> None:
            while time.perf_counter() < deadline:
                await self._post(billing, load)

        return await self._timed(load, lambda s: [keep_posting(s) for _ in range(concurrency)])

    async def rush_until(self, ended: asyncio.Event, concurrency: int) -> Load:
        """Full speed until ``ended``, also while requests fail: a client whose request failed waits a moment first."""
        load = Load()

        async def keep_posting(billing: BillingClient) -> None:
            while not ended.is_set():
                if not await self._post(billing, load):
                    await asyncio.sleep(AFTER_FAILURE_S)

        return await self._timed(load, lambda s: [keep_posting(s) for _ in range(concurrency)])

    async def steady(self, seconds: float, rate: float) -> Load:
        """``rate`` payments per second, regardless of earlier responses."""
        load = Load()

        async def post_at(billing: BillingClient, start: float, number: int) -> None:
            await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            await self._post(billing, load)

        start = time.perf_counter()
        return await self._timed(load, lambda s: [post_at(s, start, n) for n in range(round(rate * seconds))])

    async def sell(self, payments: int, concurrency: int, provider: str, *, two_stage: bool) -> Load:
        """So many payments at this provider, by ``concurrency`` clients."""
        load, numbers = Load(), iter(range(payments))

        async def keep_posting(billing: BillingClient) -> None:
            for _ in numbers:
                await self._post(billing, load, provider, two_stage=two_stage)

        return await self._timed(load, lambda s: [keep_posting(s) for _ in range(concurrency)])

    async def capture(self, payments: Sequence[UUID], concurrency: int) -> None:
        """Capture these payments."""
        async with BillingClient(self._url, self._api_key) as billing:
            await side_by_side(billing.capture, payments, concurrency)

    async def refund(self, payments: Sequence[UUID], concurrency: int) -> None:
        """Refund these payments in whole."""
        async with BillingClient(self._url, self._api_key) as billing:
            await side_by_side(lambda one: billing.refund(one, "a benchmark"), payments, concurrency)

    async def _timed(self, load: Load, work: Any) -> Load:
        started = time.perf_counter()
        async with BillingClient(self._url, self._api_key, repeats=ONCE) as billing:
            await asyncio.gather(*work(billing))
        load.seconds = time.perf_counter() - started
        return load

    async def _post(
        self, billing: BillingClient, load: Load, provider: str = FIRST, *, two_stage: bool = False
    ) -> bool:
        """Post a payment; returns whether it was accepted."""
        self._number += 1
        key = f"{self._run}-{self._number}"
        started = time.perf_counter()
        try:
            opened = await billing.create_payment(
                _order(f"bench-{key}", provider, two_stage=two_stage), idempotency_key=key
            )
        except ProblemError as refusal:
            load.failed[refusal.code] = load.failed.get(refusal.code, 0) + 1
        except NoAnswer as error:
            cause = type(error.__cause__).__name__
            load.failed[cause] = load.failed.get(cause, 0) + 1
        else:
            load.accepted += 1
            load.without_url += opened.payment_url is None
            load.answers[str(opened.id)] = time.perf_counter() - started
            return True
        return False


def _order(customer: str, provider: str, *, two_stage: bool) -> NewPayment:
    return NewPayment(
        capture_mode="TWO_STAGE" if two_stage else "ONE_STAGE",
        customer_id=customer,
        currency="RUB",
        amount=29_900,
        provider=provider,
        cart=Cart([Item("film-stalker", "Stalker (1979)", 1, 29_900, tax="vat20")]),
        return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/failed"),
    )
