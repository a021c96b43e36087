"""The load: shops that post payments as quickly, or as steadily, as asked. The sandbox' own customers pay them."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

TIMEOUT_S: Final = 60.0


@dataclass
class Load:
    """What was sent and how it was answered. ``answers``: payment id → seconds from request to answer."""

    answers: dict[str, float] = field(default_factory=dict)
    accepted: int = 0
    without_url: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Shop:
    """Posts one-stage payments of one item."""

    def __init__(self, ingest_url: str, api_key: str) -> None:
        self._url = f"{ingest_url}/v1/payments"
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._run = secrets.token_hex(6)
        self._number = 0

    async def rush(self, seconds: float, concurrency: int) -> Load:
        """As many as the service takes: ``concurrency`` shops, each posting again when answered."""
        load, deadline = Load(), time.perf_counter() + seconds

        async def keep_posting(session: aiohttp.ClientSession) -> None:
            while time.perf_counter() < deadline:
                await self._post(session, load)

        return await self._timed(load, lambda s: [keep_posting(s) for _ in range(concurrency)])

    async def steady(self, seconds: float, rate: float) -> Load:
        """``rate`` payments a second, whether or not the earlier ones are answered."""
        load = Load()

        async def post_at(session: aiohttp.ClientSession, start: float, number: int) -> None:
            await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            await self._post(session, load)

        start = time.perf_counter()
        return await self._timed(load, lambda s: [post_at(s, start, n) for n in range(round(rate * seconds))])

    async def _timed(self, load: Load, work: Any) -> Load:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0)
        started = time.perf_counter()
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await asyncio.gather(*work(session))
        load.seconds = time.perf_counter() - started
        return load

    async def _post(self, session: aiohttp.ClientSession, load: Load) -> None:
        self._number += 1
        key = f"{self._run}-{self._number}"
        started = time.perf_counter()
        try:
            async with session.post(
                self._url, data=_body(f"bench-{key}"), headers={**self._headers, "Idempotency-Key": key}
            ) as response:
                content = await response.read()
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            load.failed[type(error).__name__] = load.failed.get(type(error).__name__, 0) + 1
            return
        if status not in (201, 202):
            load.failed[str(status)] = load.failed.get(str(status), 0) + 1
            return
        load.accepted += 1
        load.without_url += status != 201  # noqa: PLR2004
        load.answers[orjson.loads(content)["id"]] = time.perf_counter() - started


def _body(customer: str) -> bytes:
    return orjson.dumps(
        {
            "customer_id": customer,
            "currency": "RUB",
            "amount": 29_900,
            "provider": "yandex-pay",
            "cart": {
                "items": [
                    {
                        "product_id": "film-stalker",
                        "title": "Stalker (1979)",
                        "quantity": 1,
                        "unit_price": 29_900,
                        "type": "DIGITAL",
                        "tax": "vat20",
                    }
                ]
            },
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/failed"},
        }
    )
