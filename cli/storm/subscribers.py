"""The storm's subscribers: they subscribe and pay over HTTP, as a shop and browsers do."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import aiohttp

from cli.demo.shop import CURRENCY, PROVIDERS, RETRY_S, side_by_side
from cli.storm.shop import CONCURRENCY, PATIENCE_S
from providers.sandbox.customer_behaviour import visit

#: Price of a period, minor units.
AMOUNT: Final = 39_900
#: Answers after which the same request is sent again, under the same key.
_AGAIN: Final = (429, 502, 503, 504)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


class Subscribers:
    """The customers of one ``run``, who subscribe to a plan of their own, at all providers by turns."""

    def __init__(self, ingest_url: str, api_key: str, run: str) -> None:
        self._url = f"{ingest_url}/v1"
        self._api_key = api_key
        self._run = run
        self.plan: Final = f"storm-{run}"
        #: All customers' ids begin with it.
        self.prefix: Final = f"storm-{run}-"

    async def subscribe(self, number: int, clocks: Sequence[UUID]) -> None:
        """``number`` customers subscribe, each to live by the next of the ``clocks``, and pay the first period."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            await self._post(http, "/plans", {"id": self.plan, "title": "Cinema"}, "plan")
            price = {"currency": CURRENCY, "amount": AMOUNT, "products": ["cinema"]}
            await self._post(http, f"/plans/{self.plan}/prices", price, "price")

            async def serve(customer: int) -> None:
                body = self._order(customer, clocks[customer % len(clocks)])
                url = None
                while url is None:  # a repeat of the command waits for the page again
                    opened = await self._post(http, "/subscriptions", body, f"subscribe-{customer}")
                    url = (opened.get("latest_payment") or {}).get("payment_url")
                await visit(http, url, "pay")

            await side_by_side(serve, range(number), CONCURRENCY)

    async def cancel(self, ids: Sequence[UUID]) -> None:
        """These subscriptions end at once, and the running period is given back whole."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:

            async def cancel(id: UUID) -> None:
                await self._post(http, f"/subscriptions/{id}/cancel", {"when": "NOW", "refund": "FULL"}, f"cancel-{id}")

            await side_by_side(cancel, ids, CONCURRENCY)

    def _order(self, customer: int, clock: UUID) -> dict[str, Any]:
        return {
            "customer_id": f"{self.prefix}{customer}",
            "plan": self.plan,
            "currency": CURRENCY,
            "provider": PROVIDERS[customer % len(PROVIDERS)],
            "consent": {"terms_sha256": "ab" * 32},
            "contact": {"email": "ann@cinema.example"},
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/failed"},
            "metadata": {"demo": self._run},
            "test_clock": str(clock),
        }

    async def _post(self, http: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Idempotency-Key": f"{self._run}-{key}",
            "Prefer": "wait=20",
        }
        deadline = time.monotonic() + PATIENCE_S
        while True:
            async with http.post(self._url + path, json=body, headers=headers) as answer:
                if answer.status not in _AGAIN or time.monotonic() > deadline:
                    answer.raise_for_status()
                    found: dict[str, Any] = await answer.json()
                    return found
            await asyncio.sleep(RETRY_S)
