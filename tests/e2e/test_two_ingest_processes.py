"""Ingest processes behind one load balancer, two beside the stack's own: they agree on idempotency, and on how fast a
client may be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.layout import Layout, read_status
from tests.conftest import Stack
from tests.e2e.test_bad_input import BODY
from tests.support.ingest_process import ingest_process

#: Requests a second of the limited client, and how long it tries.
RATE = 60
TRIES_S = 4.0

Answer = tuple[int, Any]


class Two:
    """The processes, as a client sees them. The last one is the stack's own."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], api_key: str) -> None:
        self._http = http
        self.urls = urls
        self.api_key = api_key

    async def post(self, process: int, key: str, body: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key, "Prefer": "wait=20"}
        async with self._http.post(f"{self.urls[process]}/v1/payments", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def policy(self, process: int, key: str) -> str | None:
        """What the process says it grants the client."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self._http.get(f"{self.urls[process]}/v1/payments/{uuid4()}", headers=headers) as answer:
            return answer.headers.get("RateLimit-Policy")

    async def get(self, process: int, path: str, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {key or self.api_key}"}
        async with self._http.get(self.urls[process] + path, headers=headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture(scope="module")
async def two(running: Stack, stack) -> AsyncIterator[Two]:
    status = read_status(Layout(running.state_dir))
    assert status is not None
    environment = {**status["environment"], "BILLING_API_KEYS_REFRESH_S": "0.2"}
    async with AsyncExitStack() as opened:
        timeout = aiohttp.ClientTimeout(total=60)
        http = await opened.enter_async_context(
            aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        )
        processes = [await opened.enter_async_context(ingest_process(http, environment)) for _ in range(2)]
        urls = [*(process.url for process in processes), stack["urls"]["ingest"]]
        yield Two(http, urls, stack["api_key"])


async def test_the_same_command_to_both_at_once_is_one_payment(two: Two) -> None:
    for _ in range(10):
        key = uuid4().hex
        (first_status, first), (second_status, second) = await asyncio.gather(
            two.post(0, key, BODY), two.post(1, key, BODY)
        )
        assert first["id"] == second["id"]
        # Who came second may be answered while the first one's call to the provider is under way.
        assert 201 in (first_status, second_status)
        assert {first_status, second_status} <= {201, 202}
        again = await asyncio.gather(two.post(0, key, BODY), two.post(1, key, BODY))
        assert again[0] == again[1]
        assert again[0][0] == 201
        _, operations = await two.get(0, f"/v1/payments/{first['id']}/operations")
        assert len(operations["data"]) == 1, "the provider was asked for one order"


async def test_another_body_with_the_same_key_is_refused_by_whichever_process_it_reaches(two: Two) -> None:
    for _ in range(10):
        key = uuid4().hex
        bodies = [{**BODY, "customer_id": f"{key}-{number}"} for number in (0, 1)]
        answers = await asyncio.gather(*(two.post(number, key, body) for number, body in enumerate(bodies)))
        statuses = [status for status, _ in answers]
        assert sorted(statuses) == [201, 422]
        won = statuses.index(201)
        assert answers[1 - won][1]["type"] == "/problems/idempotency-key-reused"
        for process in (0, 1):
            status, payment = await two.get(process, f"/v1/payments/{answers[won][1]['id']}")
            assert (status, payment["customer_id"]) == (200, bodies[won]["customer_id"])
            assert (await two.post(process, key, bodies[1 - won]))[0] == 422


async def test_a_clients_rate_holds_across_all(running: Stack, two: Two) -> None:
    made = running.billing(
        "api-keys",
        "create",
        f"limited-{uuid4().hex[:8]}",
        "--scope",
        "payments:read",
        "--rate",
        str(RATE),
        "--json",
        "--reason",
        "a test",
        "--actor",
        "ann",
    )
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]

    async def ask(process: int) -> int:
        return (await two.get(process, f"/v1/payments/{uuid4()}", key))[0]

    share = RATE // 3
    for process in (0, 1, 2):
        while await two.policy(process, key) != f'"client";q={2 * share};w=2':  # until it knows the key and the others
            await asyncio.sleep(0.05)

    async def spend_the_burst(process: int) -> None:
        while await ask(process) != 429:
            pass

    await asyncio.gather(*(spend_the_burst(process) for process in (0, 1, 2)))
    started = time.monotonic()

    async def keep_asking(process: int) -> int:
        admitted = 0
        while time.monotonic() < started + TRIES_S:
            admitted += await ask(process) == 404
        return admitted

    admitted = sum(await asyncio.gather(*(keep_asking(process) for process in (0, 1, 2, 0, 1, 2))))
    rate = admitted / (time.monotonic() - started)
    assert RATE * 0.8 <= rate <= RATE * 1.2
