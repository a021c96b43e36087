"""Runs the loads and computes the figures of full payments."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import aio_pika
import aiohttp
import psutil
from clickhouse_connect import get_async_client
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.bench import floors
from cli.bench.load import Load, Shop
from cli.stack import resident_mb
from runtime.postgres import create_engine
from runtime.settings import Settings
from sinks.rabbitmq.publisher import SIGNALS
from storage.inspection.bench import copy_sample, counts_since, provider_ms, take_sample

SETTLE_S: Final = 60.0
POLL_S: Final = 0.25
WARM_UP_S: Final = 3.0
#: The API client that the local stack's key belongs to.
CLIENT: Final = "demo"


async def measure(
    status: dict[str, Any], seconds: float, concurrency: int, stored: int, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """The figures of ``billing bench --json``. ``stored``: measure full speed again with this many more stored payments."""
    urls = status["urls"]
    settings = Settings(kafka_url=urls["kafka"], postgres_url=urls["postgres"])
    on_progress("limits of the machine")
    floor_figures = {
        "provider_calls_per_second": round(await floors.provider_calls(urls["sandbox"])),
        "postgres_rows_per_second": round(await floors.postgres_rows(urls["postgres"])),
        "kafka_messages_per_second": round(await floors.kafka_messages(settings)),
    }
    engine = create_engine(settings)
    stack = RunningStack(engine, urls, status["processes"])
    try:
        await stack.set_customer_mode(mode="auto")
        shop = Shop(urls["ingest"], status["api_key"])
        await shop.rush(WARM_UP_S, concurrency)
        await stack.settle(0, datetime.now(UTC))
        on_progress(f"full speed for {seconds:.0f} s")
        full = await stack.under_load(shop.rush(seconds, concurrency))
        rate = full["captured"] / full["settled_seconds"]
        on_progress(f"half of {rate:.0f} payments a second for {seconds:.0f} s")
        half = await stack.under_load(shop.steady(seconds, rate / 2))
        overhead = await stack.overhead_ms(half["load"])
        loads, history = [full, half], {}
        if stored:
            history["stored"] = await fill(engine, stored, on_progress)
            on_progress(f"full speed again for {seconds:.0f} s")
            again = await stack.under_load(shop.rush(seconds, concurrency))
            history["payments_per_second_with_stored"] = round(again["captured"] / again["settled_seconds"], 1)
            history["cpu_ms_per_payment_with_stored"] = again["cpu_ms_per_payment"]
            loads.append(again)
    finally:
        await stack.set_customer_mode(mode="manual")
        await engine.dispose()
    return {
        "payments_per_second": round(rate, 1),
        "overhead_ms": overhead,
        "cpu_ms_per_payment": full["cpu_ms_per_payment"],
        "rss_mb": stack.memory(),
        "rss_growth_mb": full["rss_growth_mb"],
        "floors": floor_figures,
        **history,
        "payments": sum(load["captured"] for load in loads),
        "answered_without_url": sum(load["load"].without_url for load in loads),
        "failed_requests": {kind: count for load in loads for kind, count in load["load"].failed.items()},
        "lost": sum(load["lost"] for load in loads),
        "duplicates": sum(load["duplicates"] for load in loads),
    }


class RunningStack:
    """The running stack, measured from outside."""

    def __init__(self, engine: AsyncEngine, urls: dict[str, str], processes: Sequence[dict[str, Any]]) -> None:
        self._engine = engine
        self._urls = urls
        self._pids = {process["name"]: process["pid"] for process in processes if process["pid"]}

    async def set_customer_mode(self, mode: str) -> None:
        """``auto``: the sandbox' customers pay at once; ``manual``: nobody pays."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._urls['sandbox']}/_sandbox/customers", json={"mode": mode}) as answer,
        ):
            answer.raise_for_status()

    async def under_load(self, load: Any) -> dict[str, Any]:
        """Run a load until its last payment is captured, signalled and in ClickHouse; returns its figures."""
        since, signals = datetime.now(UTC), await self._signals()
        cpu, memory, started = self.cpu(), self.memory(), time.perf_counter()
        done: Load = await load
        captured, operations = await self.settle(done.accepted, since)
        elapsed = time.perf_counter() - started
        used = {name: value - cpu.get(name, 0.0) for name, value in self.cpu().items()}
        rows, arrived = await self._operations(since), await self._signals() - signals
        return {
            "load": done,
            "captured": captured,
            "settled_seconds": elapsed,
            "cpu_ms_per_payment": {n: round(v * 1000 / max(captured, 1), 3) for n, v in used.items()},
            "rss_growth_mb": {n: round(v - memory[n], 1) for n, v in self.memory().items()},
            "lost": max(0, done.accepted - captured) + max(0, operations - rows) + max(0, 2 * captured - arrived),
            "duplicates": max(0, rows - operations),
        }

    async def settle(self, accepted: int, since: datetime) -> tuple[int, int]:
        """Wait until all accepted payments are captured and in ClickHouse; returns (captured, operations)."""
        deadline = time.perf_counter() + SETTLE_S
        while True:
            async with self._engine.connect() as connection:
                _, captured, _, operations = await counts_since(connection, CLIENT, since)
            complete = captured >= accepted and await self._operations(since) >= operations
            if complete or time.perf_counter() > deadline:
                return captured, operations
            await asyncio.sleep(POLL_S)

    async def overhead_ms(self, load: Load) -> dict[str, float]:
        """Milliseconds from request to response, minus the provider's time."""
        async with self._engine.connect() as connection:
            provider = await provider_ms(connection, [UUID(id) for id in load.answers])
        own = sorted(seconds * 1000 - provider.get(UUID(id), 0.0) for id, seconds in load.answers.items())
        return {f"p{p}": round(own[min(len(own) - 1, len(own) * p // 100)], 1) for p in (50, 95, 99)} if own else {}

    def memory(self) -> dict[str, float]:
        """Megabytes by process."""
        return {name: resident_mb(pid) for name, pid in self._pids.items()}

    def cpu(self) -> dict[str, float]:
        """CPU seconds by process, including children."""
        used = {}
        for name, pid in self._pids.items():
            process = psutil.Process(pid)
            times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
            ended = process.cpu_times()
            used[name] = sum(t.user + t.system for t in times) + ended.children_user + ended.children_system
        return used

    async def _operations(self, since: datetime) -> int:
        client = await get_async_client(dsn=self._urls["clickhouse"], autogenerate_session_id=False, compress=False)
        try:
            result = await client.query(
                "SELECT count() FROM operations WHERE created_at >= {since:DateTime64(6, 'UTC')}",
                parameters={"since": since.replace(tzinfo=None).isoformat(sep=" ")},
            )
        finally:
            await client.close()
        return int(result.result_rows[0][0])

    async def _signals(self) -> int:
        """Messages in both signal queues, which nobody consumes during a benchmark."""
        connection = await aio_pika.connect(self._urls["rabbitmq"])
        async with connection:
            channel = await connection.channel()
            total = 0
            for queue in SIGNALS.queues:
                declared = await channel.declare_queue(queue, passive=True)
                total += declared.declaration_result.message_count or 0
        return total


class NothingToCopy(Exception):
    """There is no captured payment to copy."""


async def fill(engine: AsyncEngine, wanted: int, on_progress: Callable[[str], None]) -> int:
    """Store at least ``wanted`` copies of captured payments with all their rows; returns how many."""
    stored = number = 0
    async with engine.connect() as connection:
        sample = await take_sample(connection)
        await connection.commit()
        if not sample:
            raise NothingToCopy
        while stored < wanted:
            number += 1
            await copy_sample(connection, number)
            await connection.commit()
            stored += sample
            on_progress(f"{stored:,} of {wanted:,} payments stored")
    on_progress("vacuum and analyze")
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    return stored


def table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title="billing bench", title_justify="left")
    view.add_column("")
    view.add_column("", justify="right")
    view.add_row("[bold]payments per second[/], posted to captured", f"[bold]{figures['payments_per_second']}[/]")
    for name, value in figures["overhead_ms"].items():
        view.add_row(f"our overhead at half that rate, {name}", f"{value} ms")
    if "stored" in figures:
        view.add_row(
            f"payments per second with {figures['stored']:,} stored", str(figures["payments_per_second_with_stored"])
        )
    view.add_section()
    for name, value in figures["floors"].items():
        view.add_row(f"floor: {name.replace('_', ' ')}", f"{value:,}")
    view.add_section()
    for name, value in figures["cpu_ms_per_payment"].items():
        memory, growth = figures["rss_mb"][name], figures["rss_growth_mb"][name]
        view.add_row(f"{name}: CPU per payment, memory (growth)", f"{value} ms, {memory:.0f} MB ({growth:+.0f})")
    view.add_section()
    view.add_row("lost", str(figures["lost"]))
    view.add_row("duplicates", str(figures["duplicates"]))
    return view
