"""Commands and callbacks that one ingest process accepts per second, compared with the limits of the machine."""

import asyncio
import hashlib
import itertools
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aiohttp
import psutil
import uvloop
from aiohttp.test_utils import unused_port
from aiokafka import TopicPartition
from rich.table import Table

from billing.messages.topics import CALLBACKS, INBOX
from cli.bench import floors
from cli.bench.isolation import PREFIX, own_topics
from cli.bench.wire import Sent, post, rush, steady
from providers.registry import PLUGINS
from providers.sandbox.callback_load import CallbackLoad
from runtime.kafka.clients import new_consumer
from runtime.settings import Settings

CONNECTIONS: Final = 64
WARM_UP_S: Final = 2.0
#: Seconds for a process to become ready.
PATIENCE_S: Final = 30.0
SERVICE_UNAVAILABLE: Final = 503
#: Callbacks are signed in advance and sent repeatedly: repeats are verified and stored too.
SIGNED: Final = 5_000


def measure_ingest(
    settings: Settings, environment: dict[str, str], seconds: float, on_progress: Callable[[str], None]
) -> Any:
    """The figures of ``billing bench --only ingest --json``. ``environment``: the stack's settings for a process."""
    return uvloop.run(_measure(settings, environment, seconds, on_progress))


async def _measure(
    settings: Settings, environment: dict[str, str], seconds: float, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    api_key, run = secrets.token_hex(16), secrets.token_hex(4)
    load = CallbackLoad()
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(own_topics(settings, [PREFIX + INBOX.name, PREFIX + CALLBACKS.name]))
        verifying = await opened.enter_async_context(load.published())
        environment = {
            **environment,
            "BILLING_API_KEYS": json.dumps({"bench": hashlib.sha256(api_key.encode()).hexdigest()}),
            **verifying,
        }
        on_progress("limits of the machine")
        bare_sends = await floors.kafka_messages(settings)
        async with _process("floor", environment) as floor:
            validated = await _loaded(floor, lambda: _commands(floor.url, api_key, run), seconds, half=False)
        async with _process("commands", environment) as ingest:
            on_progress(f"commands for {seconds:.0f} s, then half as many")
            commands = await _loaded(ingest, lambda: _commands(ingest.url, api_key, run), seconds)
            on_progress(f"callbacks for {seconds:.0f} s, then half as many")
            requests = [post(f"{ingest.url}{load.path}", body, load.headers) for body in load.signed(SIGNED)]
            callbacks = await _loaded(ingest, lambda: itertools.cycle(requests), seconds)
        stored = {topic: await _stored(settings, PREFIX + topic) for topic in (INBOX.name, CALLBACKS.name)}
    floor_rate = validated["per_second"]
    return {
        "commands": commands | {"of_floor": round(commands["per_second"] / floor_rate, 2)},
        "callbacks": callbacks,
        "floors": {"validating_endpoint_per_second": floor_rate, "kafka_messages_per_second": round(bare_sends)},
        "lost": max(0, commands["accepted"] - stored[INBOX.name])
        + max(0, callbacks["accepted"] - stored[CALLBACKS.name]),
    }


async def _loaded(
    process: "_Process", requests: Callable[[], Iterator[bytes]], seconds: float, *, half: bool = True
) -> dict[str, Any]:
    """The rate at full speed, and response times at half that rate."""
    warm = await rush(process.url, requests(), WARM_UP_S, CONNECTIONS)
    cpu = process.cpu_seconds()
    full = await rush(process.url, requests(), seconds, CONNECTIONS)
    count = sum(full.statuses.values())
    rate = count / full.seconds
    found: dict[str, Any] = {
        "per_second": round(rate),
        "cpu_ms_each": round((process.cpu_seconds() - cpu) * 1000 / count, 3),
    }
    sent = [warm, full]
    if half:
        half_load = await steady(process.url, requests(), seconds, rate / 2, CONNECTIONS)
        found["ms_at_half_load"] = half_load.percentiles()
        sent.append(half_load)
    return found | {"accepted": sum(map(_accepted, sent)), "failed": sum(map(_failed, sent))}


def _accepted(sent: Sent) -> int:
    return sent.statuses[200] + sent.statuses[202]


def _failed(sent: Sent) -> int:
    return sum(sent.statuses.values()) - _accepted(sent)


def _commands(url: str, api_key: str, run: str) -> Iterator[bytes]:
    """New payments, each with its own key."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json", "Prefer": "respond-async"}
    order = {
        "customer_id": "customer-1842",
        "currency": "RUB",
        "amount": 29_900,
        "provider": next(iter(PLUGINS)),
        "cart": {"items": [{"product_id": "film-stalker", "title": "Stalker (1979)", "quantity": 1,
                            "unit_price": 29_900, "type": "DIGITAL", "tax": "vat20"}]},
        "return_urls": {"success": "https://cinema.example/paid", "failure": "https://cinema.example/failed"},
    }  # fmt: skip
    body, batch = json.dumps(order).encode(), secrets.token_hex(4)
    for number in itertools.count():
        yield post(f"{url}/v1/payments", body, {**headers, "Idempotency-Key": f"{run}-{batch}-{number}"})


class _Process:
    """A server process of the benchmark."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


@asynccontextmanager
async def _process(part: str, environment: dict[str, str]) -> AsyncIterator[_Process]:
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.bench.ingest_server", part,
        env={**os.environ, **environment, "BILLING_INGEST_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_ready(f"{url}/readyz" if part == "commands" else url)
        yield _Process(process, url)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(url: str) -> None:
    """Wait for a response other than 503. The floor rejects this request, and is ready by then."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status != SERVICE_UNAVAILABLE:
                        return
            except aiohttp.ClientConnectionError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)


async def _stored(settings: Settings, topic: str) -> int:
    """Messages in a topic."""
    consumer = new_consumer(settings)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(settings.kafka_partitions)])
        return sum(ends.values())
    finally:
        await consumer.stop()


def ingest_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title="billing bench --only ingest: one process", title_justify="left")
    view.add_column("")
    view.add_column("", justify="right")
    for name in ("commands", "callbacks"):
        found = figures[name]
        view.add_row(f"[bold]{name} accepted per second[/]", f"[bold]{found['per_second']:,}[/]")
        view.add_row("CPU for each", f"{found['cpu_ms_each']} ms")
        times = ", ".join(f"{p} {ms} ms" for p, ms in found["ms_at_half_load"].items())
        view.add_row("response time at half that rate", times)
        view.add_row("not accepted", str(found["failed"]))
        view.add_section()
    for name, value in figures["floors"].items():
        view.add_row(f"floor: {name.replace('_', ' ')}", f"{value:,}")
    view.add_row("commands, relative to the validating endpoint", f"{figures['commands']['of_floor']:.0%}")
    view.add_row("accepted but not in Kafka", str(figures["lost"]))
    return view
