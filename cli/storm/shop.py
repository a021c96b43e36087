"""A shop in bad weather: customers who pay where they get a page, and want half of it back."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp
from billing_client import BillingClient, NoAnswer, ProblemError, Repeats

from cli.demo.shop import Behaviour, Shop

CONCURRENCY: Final = 16
#: What a storm's customer waits for the shop, seconds.
PATIENCE_S: Final = 600.0


@dataclass
class StormShop(Shop):
    """Everybody goes to the till, as long as it takes: nine of ten pay, one is declined. Every third of those who pay
    leaves it to the rules where, so that their payment may move on."""

    patience_s: float = PATIENCE_S

    def behaviour(self, number: int) -> Behaviour:
        return Behaviour.DECLINES if number % 10 == 0 else Behaviour.PAYS

    def provider(self, number: int) -> str | None:
        if number % 3 == 0 and self.behaviour(number) is Behaviour.PAYS:
            return None
        return super().provider(number)


async def refund_half(ingest_url: str, api_key: str, captured: list[UUID]) -> int:
    """Ask for every second payment's money back, by turns whole and in part; how many were accepted."""
    accepted = 0
    places = asyncio.Semaphore(CONCURRENCY)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        billing = BillingClient(ingest_url, api_key, repeats=Repeats(patience_s=PATIENCE_S), session=session)

        async def refund(number: int, id: UUID) -> None:
            nonlocal accepted
            async with places:
                amount = 5_000 if number % 2 else None
                try:
                    await billing.refund(id, "a storm", amount=amount, idempotency_key=f"storm-{id}", wait_s=0)
                except (ProblemError, NoAnswer):
                    return
                accepted += 1

        await asyncio.gather(*(refund(number, id) for number, id in enumerate(captured[::2])))
    return accepted
