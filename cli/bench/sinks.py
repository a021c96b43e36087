"""Sinks at full speed: confirmed signals, rows, a backfill; compared with the bare clients."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import aio_pika
import msgspec
from aiokafka import TopicPartition
from rich.table import Table

from analytics.clickhouse import connect
from analytics.report import bind, find_report, run
from analytics.rows import TABLES
from analytics.translate import by_table
from billing.messages import CreatePayment, Observation, PaymentChanged, ProviderCallback
from billing.orders import Cart, Item, Order
from billing.payments.decide import decide
from billing.vocabulary import PaymentStatus
from cli.bench.isolation import own_database
from cli.bench.lag import RATE, SECONDS, measure_lag
from runtime.postgres import connected
from runtime.settings import Settings
from sinks.batch import Batch, Event
from sinks.clickhouse.backfill import BACKFILL, backfill
from sinks.clickhouse.inserter import ClickHouseInserter, Translated
from sinks.clickhouse.inserter import translate as rows_of
from sinks.rabbitmq.publisher import SignalPublisher, Topology
from sinks.rabbitmq.publisher import translate as signals_of
from storage.streams.positions import is_known

#: Payments whose changes are delivered: created and captured.
PAYMENTS: Final = 10_000
#: Events in a batch, as the sinks take them.
BATCH: Final = 500
IN_FLIGHT: Final = 256
TOPIC: Final = "bench"


async def measure_sinks(settings: Settings, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures of ``billing bench --only sinks --json``."""
    on_progress("generating changes")
    changes = _changes(PAYMENTS)
    batches = _batches(changes)
    on_progress("signals, with confirms")
    signals, bare = await _signals(settings, batches)
    async with own_database(settings) as url:
        on_progress("rows into ClickHouse")
        rows, operations, bare_rows = await _rows(url, batches)
        on_progress(f"{RATE} payments per second, {SECONDS} s")
        lag = await measure_lag(settings, url, changes)
    on_progress("a backfill of the journal")
    done = await _backfill(settings)
    return {
        "signals_per_second": signals,
        "rows_per_second": rows,
        "operations_per_second": operations,
        "backfill": done,
        "lag_ms": {"payments_per_second": RATE, **lag},
        "lag_ms_today": await _lag(settings),
        "floors": {"confirmed_messages_per_second": bare, "rows_per_second": bare_rows},
    }


def sinks_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title="Sinks", title_justify="left", show_header=False)
    view.add_column()
    view.add_column(justify="right")
    bare = figures["floors"]["confirmed_messages_per_second"]
    view.add_row("signals per second, confirmed", f"{figures['signals_per_second']:,} (bare aio-pika: {bare:,})")
    bare_rows = figures["floors"]["rows_per_second"]
    view.add_row("rows per second into ClickHouse", f"{figures['rows_per_second']:,} (bare inserts: {bare_rows:,})")
    view.add_row("operations per second among them", f"{figures['operations_per_second']:,}")
    if (done := figures["backfill"]) is not None:
        view.add_row(f"backfill of {done['operations']:,} operations, per second", f"{done['per_second']:,}")
    view.add_row(f"from change to readable row, {RATE} payments per second", _formatted(figures["lag_ms"]))
    if (lag := figures["lag_ms_today"]) is not None:
        view.add_row("from change to readable row, worst hour of today", _formatted(lag))
    return view


def _formatted(lag: dict[str, float]) -> str:
    return ", ".join(f"{name} {lag[name]:,.0f} ms" for name in ("p50", "p99", "max"))


def _changes(payments: int) -> list[PaymentChanged]:
    now, changes = datetime.now(UTC), []
    for number in range(payments):
        item = Item(f"film-{number % 100}", "Stalker (1979)", 1, 29_900)
        order = Order(uuid4(), f"bench-{number}", "RUB", 29_900, Cart((item,)))
        at = now + timedelta(microseconds=number)
        created = decide(None, CreatePayment(uuid4(), "bench", "f" * 64, order, "first"), at)
        assert created.payment is not None
        assert created.event is not None
        paid = ProviderCallback(created.payment.id, "first", "paid", Observation(PaymentStatus.CAPTURED))
        captured = decide(created.payment, paid, at + timedelta(seconds=1))
        assert captured.event is not None
        changes += [created.event, captured.event]
    return changes


def _batches(changes: Sequence[PaymentChanged]) -> list[tuple[Event, ...]]:
    events = [Event(TOPIC, 0, offset, change) for offset, change in enumerate(changes)]
    return [tuple(events[start : start + BATCH]) for start in range(0, len(events), BATCH)]


def _batch(events: tuple[Event, ...], contents: tuple[Any, ...]) -> Batch[Any]:
    return Batch({TopicPartition(TOPIC, 0): (events[0].offset, events[-1].offset + 1)}, events, contents)


async def _signals(settings: Settings, batches: Sequence[tuple[Event, ...]]) -> tuple[int, int]:
    run = secrets.token_hex(4)
    queue = f"bench.{run}"
    topology = Topology(f"bench.{run}", f"bench.{run}.dlx", {queue: "#"})
    publisher = SignalPublisher(settings.rabbitmq_url, topology)
    async with await aio_pika.connect(settings.rabbitmq_url) as connection:
        channel = await connection.channel()
        try:
            await publisher.deliver(_batch(batches[0], tuple(map(signals_of, batches[0]))))  # connects and declares
            sent, started = 0, time.perf_counter()
            for events in batches[1:]:
                contents = tuple(map(signals_of, events))
                await publisher.deliver(_batch(events, contents))
                sent += sum(map(len, contents))
            elapsed = time.perf_counter() - started
            bare = await _bare_confirms(channel, queue, sent)
        finally:
            await publisher.close()
            for name in (queue, f"{queue}.dead"):
                await channel.queue_delete(name)
            for name in (topology.exchange, topology.dead_letter_exchange):
                await channel.exchange_delete(name)
    return round(sent / elapsed), bare


async def _bare_confirms(channel: Any, queue: str, count: int) -> int:
    """aio-pika alone: as many messages of that size to the same queue, as many in flight."""
    slots, started = asyncio.Semaphore(IN_FLIGHT), time.perf_counter()

    async def publish() -> None:
        async with slots:
            message = aio_pika.Message(b"x" * 300, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, queue)

    await asyncio.gather(*(publish() for _ in range(count)))
    return round(count / (time.perf_counter() - started))


async def _rows(url: str, batches: Sequence[tuple[Event, ...]]) -> tuple[int, int, int]:
    """Rows and operations a second by the sink's way, and rows that are ready by the client's alone."""
    inserter = ClickHouseInserter(url)
    try:
        delivered: list[Translated] = []
        started = time.perf_counter()
        for events in batches:
            contents = tuple(map(rows_of, events))
            await inserter.deliver(_batch(events, contents))
            delivered += contents
        elapsed = time.perf_counter() - started
    finally:
        await inserter.close()
    tables = by_table(delivered)
    rows, operations = sum(map(len, tables.values())), len(tables["operation_versions"])
    return round(rows / elapsed), round(operations / elapsed), await _bare_inserts(url, batches)


async def _bare_inserts(url: str, batches: Sequence[tuple[Event, ...]]) -> int:
    """clickhouse-connect alone: the same operation rows, encoded in advance."""
    table, encoder = "operation_versions", msgspec.json.Encoder()
    ready = [by_table(map(rows_of, events))[table] for events in batches]
    bodies = [encoder.encode_lines(rows) for rows in ready]
    client = await connect(url)
    try:
        started = time.perf_counter()
        for body in bodies:
            await client.raw_insert(table, TABLES[table].__struct_fields__, body, fmt="JSONCompactEachRow")
        elapsed = time.perf_counter() - started
    finally:
        await client.close()
    return round(sum(map(len, ready)) / elapsed)


async def _backfill(settings: Settings) -> dict[str, int] | None:
    """``None`` if the journal is empty, or a backfill is unfinished: its position must not be touched."""
    sent = 0

    def count(_messages: int, operations: int) -> None:
        nonlocal sent
        sent += operations

    inserter = ClickHouseInserter(settings.clickhouse_url)
    async with connected(settings) as engine:
        async with engine.begin() as connection:
            if await is_known(connection, BACKFILL):
                return None
        started = time.perf_counter()
        try:
            await backfill(engine, inserter, count)
        finally:
            await inserter.close()
    return {"operations": sent, "per_second": round(sent / (time.perf_counter() - started))} if sent else None


async def _lag(settings: Settings) -> dict[str, float] | None:
    """The hour of today with the worst p99, from the report ``stream_lag``."""
    client = await connect(settings.clickhouse_url)
    try:
        report = find_report("stream_lag")
        result = await run(client, report, bind(report, {"from": "today"}, datetime.now(UTC).date()))
    finally:
        await client.close()
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    if not rows:
        return None
    worst = max(rows, key=lambda row: row["p99_ms"])
    return {name: float(worst[f"{name}_ms"]) for name in ("p50", "p99", "max")}
