"""Delay from a change to its row in ClickHouse at a steady rate: the real sink, with a topic and a database of the
benchmark's own."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import msgspec

from analytics.clickhouse import connect
from billing.messages import Envelope, PaymentChanged
from billing.messages.topics import EVENTS
from cli.bench.isolation import PREFIX, own_topics
from runtime.kafka.clients import new_producer
from runtime.postgres import connected
from runtime.settings import Settings
from storage.streams.positions import forget

#: Payments per second, and for how many seconds. A one-stage payment changes three times.
RATE: Final = 300
SECONDS: Final = 30
CHANGES: Final = 3
TICK_S: Final = 0.02
PATIENCE_S: Final = 60.0


async def measure_lag(settings: Settings, url: str, changes: Sequence[PaymentChanged]) -> dict[str, float]:
    """Milliseconds from a change to its readable row, event by event: p50, p99, max. ``url``: of the benchmark's
    database; ``changes`` are sent repeatedly, as if they happened now."""
    topic = f"{PREFIX}{EVENTS.name}.{secrets.token_hex(4)}"
    try:
        async with own_topics(settings, [topic]), _sink(settings, url, topic):
            sent = await _send(settings, topic, changes)
            return await _arrived(url, topic, sent)
    finally:
        async with connected(settings) as engine, engine.begin() as connection:
            await forget(connection, topic)


@asynccontextmanager
async def _sink(settings: Settings, url: str, topic: str) -> AsyncIterator[None]:
    beat = settings.state_dir / f"{topic}.beat"
    environment = {
        "BILLING_CLICKHOUSE_URL": url,
        "BILLING_KAFKA_URL": settings.kafka_url,
        "BILLING_POSTGRES_URL": settings.postgres_url,
        "BILLING_HEARTBEAT_FILE": str(beat),
        "BILLING_METRICS_PORT": "0",  # the environment may name another sink's port
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.bench.sink_process", topic,
        env={**os.environ, **environment}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not beat.exists():  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        beat.unlink(missing_ok=True)


async def _send(settings: Settings, topic: str, changes: Sequence[PaymentChanged]) -> int:
    producer = new_producer(settings)
    await producer.start()
    try:
        sent, total, started = 0, RATE * CHANGES * SECONDS, time.perf_counter()
        while sent < total:
            due = min(total, round((time.perf_counter() - started) * RATE * CHANGES))
            now = datetime.now(UTC)
            for number in range(sent, due):
                change = msgspec.structs.replace(changes[number % len(changes)], version=number + 1, changed_at=now)
                subject = str(change.payment_id)
                envelope = Envelope.wrap(change, id=str(number), source="/bench", subject=subject, time=now)
                await producer.send(topic, envelope.encode(), key=subject.encode())
            sent = max(sent, due)
            await asyncio.sleep(TICK_S)
        await producer.flush()
    finally:
        await producer.stop()
    return sent


async def _arrived(url: str, topic: str, sent: int) -> dict[str, float]:
    """Wait until all rows can be read. Each change of a batch counts as old as its oldest."""
    client = await connect(url)
    batches = "FROM stream_metrics WHERE topic = {topic:String}"
    age = "dateDiff('millisecond', oldest_at, delivered_at)"
    ages = f"quantilesExactWeighted(0.5, 0.99)({age}, stream_metrics.events), max({age})"
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await client.query(f"SELECT sum(stream_metrics.events) {batches}", {"topic": topic})
                if answer.result_rows[0][0] >= sent:
                    break
                await asyncio.sleep(0.2)
        ((quantiles, longest),) = (await client.query(f"SELECT {ages} {batches}", {"topic": topic})).result_rows
    finally:
        await client.close()
    return {"p50": float(quantiles[0]), "p99": float(quantiles[1]), "max": float(longest)}
