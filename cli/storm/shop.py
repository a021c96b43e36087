"""The storm's shop: customers pay at any provider, and half of the payments are refunded."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp
from billing_client import BillingClient, NoAnswer, ProblemError, Repeats

from cli.demo.shop import Behaviour, Shop

CONCURRENCY: Final = 16
#: Seconds that a customer keeps retrying.
PATIENCE_S: Final = 600.0


@dataclass
class StormShop(Shop):
    """Nine of ten customers pay, one is declined. Every third payer leaves the provider to the routing rules, so the
    payment may fail over."""

    patience_s: float = PATIENCE_S

    def behaviour(self, number: int) -> Behaviour:
        return Behaviour.DECLINES if number % 10 == 0 else Behaviour.PAYS

    def provider(self, number: int) -> str | None:
        if number % 3 == 0 and self.behaviour(number) is Behaviour.PAYS:
            return None
        return super().provider(number)


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
