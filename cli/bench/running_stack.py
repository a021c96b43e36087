"""The running stack, measured from outside: what it has done, how long it took, what it cost."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import aio_pika
import aiohttp
import psutil
from clickhouse_connect import get_async_client
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.bench import floors
from cli.bench.load import Load
from cli.stack import resident_mb
from runtime.settings import Settings
from sinks.rabbitmq.publisher import SIGNALS
from storage.inspection.bench import counts_since, provider_ms

SETTLE_S: Final = 60.0
POLL_S: Final = 0.25
#: The API client that the local stack's key belongs to.
CLIENT: Final = "demo"


class RunningStack:
    """The running stack, measured from outside."""

    def __init__(self, engine: AsyncEngine, urls: dict[str, str], processes: Sequence[dict[str, Any]]) -> None:
        self.engine = engine
        self._urls = urls
        self._pids = {process["name"]: process["pid"] for process in processes if process["pid"]}

    async def set_customer_mode(self, mode: str) -> None:
        """``auto``: the sandbox' customers pay at once; ``manual``: nobody pays."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._urls['sandbox']}/_sandbox/customers", json={"mode": mode}) as answer,
        ):
            answer.raise_for_status()

    async def floors(self, settings: Settings) -> dict[str, float]:
        """The limits of the machine now, one service at a time."""
        return {
            "provider_calls_per_second": round(await floors.provider_calls(self._urls["sandbox"])),
            "postgres_rows_per_second": round(await floors.postgres_rows(self._urls["postgres"])),
            "kafka_messages_per_second": round(await floors.kafka_messages(settings)),
            "rabbitmq_confirms_per_second": round(await floors.rabbitmq_confirms(self._urls["rabbitmq"])),
        }

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
            "signals": arrived,
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
            async with self.engine.connect() as connection:
                _, captured, _, operations = await counts_since(connection, CLIENT, since)
            complete = captured >= accepted and await self._operations(since) >= operations
            if complete or time.perf_counter() > deadline:
                return captured, operations
            await asyncio.sleep(POLL_S)

    async def overhead_ms(self, load: Load) -> dict[str, float]:
        """Milliseconds from request to response, minus the provider's time."""
        async with self.engine.connect() as connection:
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
