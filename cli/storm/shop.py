"""The storm's shop: customers pay at any provider, and half of the payments are refunded."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp
import msgspec
from billing_client import BillingClient, NewPayment, NoAnswer, ProblemError, Repeats

from cli.demo.shop import Behaviour, Shop

CONCURRENCY: Final = 16
#: Seconds that a customer keeps retrying.
PATIENCE_S: Final = 600.0
#: One of this many customers pays in two stages.
HOLDS_EVERY: Final = 5


@dataclass
class StormShop(Shop):
    """Nine of ten customers pay, one is declined. Every fifth pays in two stages, at one of the providers ``holding``;
    every third of the others leaves the provider to the routing rules, so the payment may fail over."""

    patience_s: float = PATIENCE_S
    holding: Sequence[str] = ()

    def behaviour(self, number: int) -> Behaviour:
        return Behaviour.DECLINES if number % 10 == 0 else Behaviour.PAYS

    def provider(self, number: int) -> str | None:
        if self._holds(number):
            return self.holding[number // HOLDS_EVERY % len(self.holding)]
        if number % 3 == 0 and self.behaviour(number) is Behaviour.PAYS:
            return None
        return super().provider(number)

    def _holds(self, number: int) -> bool:
        return number % HOLDS_EVERY == 1 and bool(self.holding)

    def _order(self, number: int) -> NewPayment:
        order = super()._order(number)
        return msgspec.structs.replace(order, capture_mode="TWO_STAGE") if self._holds(number) else order


class Captures:
    """The shop captures what is held for it."""

    def __init__(self, ingest_url: str, api_key: str) -> None:
        self._ingest_url = ingest_url
        self._api_key = api_key

    async def ask(self, held: Sequence[tuple[UUID, int]]) -> None:
        """Capture each of (payment id, its version) whole, once for each version."""
        if not held:
            return
        slots = asyncio.Semaphore(CONCURRENCY)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            billing = BillingClient(
                self._ingest_url, self._api_key, repeats=Repeats(patience_s=PATIENCE_S), session=session
            )

            async def capture(id: UUID, version: int) -> None:
                async with slots:
                    with contextlib.suppress(ProblemError, NoAnswer):  # no longer held, or asked for before
                        await billing.capture(id, idempotency_key=f"storm-{id}-{version}", wait_s=0)

            await asyncio.gather(*(capture(id, version) for id, version in held))


async def refund_half(ingest_url: str, api_key: str, captured: list[UUID]) -> int:
    """Refund every second payment, by turns fully and partly; returns how many refunds were accepted."""
    accepted = 0
    slots = asyncio.Semaphore(CONCURRENCY)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        billing = BillingClient(ingest_url, api_key, repeats=Repeats(patience_s=PATIENCE_S), session=session)

        async def refund(number: int, id: UUID) -> None:
            nonlocal accepted
            async with slots:
                amount = 5_000 if number % 2 else None
                try:
                    await billing.refund(id, "a storm", amount=amount, idempotency_key=f"storm-{id}", wait_s=0)
                except (ProblemError, NoAnswer):
                    return
                accepted += 1

        await asyncio.gather(*(refund(number, id) for number, id in enumerate(captured[::2])))
    return accepted
