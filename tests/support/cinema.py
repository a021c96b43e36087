"""A cinema on the running stack that sells subscriptions over REST, whose customers live by a test clock."""

import asyncio
import time
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import asyncpg

#: How long a change may take, seconds.
PATIENCE_S: Final = 120
#: Between two looks whether it is there, seconds.
LOOK_S: Final = 0.1
#: Not decided yet, and not stored: a request is repeated under its key, as a client does on a machine that is busy.
AGAIN: Final = (202, 503)


class Cinema:
    """A plan, a clock, and the REST API."""

    def __init__(self, stack: dict[str, Any], http: aiohttp.ClientSession, books: asyncpg.Connection) -> None:
        self.urls, self.key = stack["urls"], stack["api_key"]
        self.http, self.books = http, books
        self.clock = uuid4()
        self.run = uuid4().hex[:8]

    async def post(self, path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
        return await self.send("POST", path, body, status)

    async def send(self, method: str, path: str, body: dict[str, Any] | None, status: int) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Idempotency-Key": uuid4().hex,
            "Prefer": "wait=20",
        }
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.http.request(
                    method, f"{self.urls['ingest']}/v1{path}", json=body, headers=headers
                ) as answer:
                    if answer.status not in AGAIN:
                        assert answer.status == status, await answer.text()
                        found: dict[str, Any] = {} if answer.status == 204 else await answer.json()
                        return found
                await asyncio.sleep(LOOK_S)

    async def get(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.get(f"{self.urls['ingest']}/v1{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def subscribe(self, customer: str) -> str:
        """The customer subscribes and pays the page."""
        body = {
            "customer_id": f"{customer}-{self.run}",
            "plan": f"cinema-{self.run}",
            "currency": "RUB",
            "provider": "yookassa",
            "consent": {"terms_sha256": "ab" * 32},
            "contact": {"email": "ann@cinema.example"},
            "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/unpaid"},
            "test_clock": str(self.clock),
        }
        opened = await self.post("/subscriptions", body, 201)
        async with self.http.post(
            opened["latest_payment"]["payment_url"], data={"outcome": "pay"}, allow_redirects=False
        ) as paid:
            assert paid.status == 303, await paid.text()
        await self.until(opened["id"], "ACTIVE")
        return str(opened["id"])

    async def until(self, id: str, status: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while await self.books.fetchval("SELECT status FROM subscriptions WHERE id = $1", UUID(id)) != status:
            assert time.monotonic() < deadline, f"{id} is not {status}"
            await asyncio.sleep(LOOK_S)

    async def advance(self, to: datetime) -> None:
        """Move the clock, and wait until all that happens up to then has happened."""
        await self.books.execute("UPDATE test_clocks SET target_at = $2 WHERE id = $1", self.clock, to)
        deadline = time.monotonic() + PATIENCE_S
        while (now := await self.books.fetchval("SELECT now_at FROM test_clocks WHERE id = $1", self.clock)) < to:
            assert time.monotonic() < deadline, f"the clock is at {now}, not at {to}"
            await asyncio.sleep(LOOK_S)

    async def periods(self, id: str) -> list[dict[str, Any]]:
        return [dict(p) for p in (await self.get(f"/subscriptions/{id}/periods"))["data"]]
