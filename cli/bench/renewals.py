"""Due renewals issued per second: the attempt is recorded and journalled, the command to the payment is in Kafka.

The job, and a worker with the agent of subscriptions, run in processes of their own, on a database and topics of their own
in the stack's servers: nobody is charged. Meanwhile customers check out on the stack itself.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import asyncpg
import psutil
from aiokafka import TopicPartition
from rich.table import Table

from billing.messages.topics import DEAD_LETTERS, INBOX, REPLIES, SUBSCRIPTION_EVENTS, SUBSCRIPTIONS
from cli.bench.due_subscriptions import decisions_per_s, fill, plan_s, rows_scanned_per_s
from cli.bench.floors import kafka_messages, postgres_rows
from cli.bench.isolation import PREFIX, own_books, own_topics, with_database
from cli.bench.load import Load, Shop
from cli.bench.running_stack import RunningStack
from deploy.local.connect import environment_of_running_stack
from runtime.kafka.clients import new_consumer
from runtime.postgres import create_engine
from runtime.settings import Settings

DATABASE: Final = "billing_bench_renewals"
TOPICS: Final = (SUBSCRIPTIONS, INBOX, SUBSCRIPTION_EVENTS, REPLIES, DEAD_LETTERS)
#: Checkouts a second on the stack, alone at first.
CHECKOUTS_PER_S: Final = 10.0
ALONE_S: Final = 15.0
#: Checkouts go on for so long at a time, seconds.
ROUND_S: Final = 2.0
#: For a worker to be given its partitions, seconds; and without a renewal issued before the benchmark gives up.
PATIENCE_S: Final = 60.0
POLL_S: Final = 0.1


class Stuck(Exception):
    """The renewals are not issued."""


async def measure_renewals(status: dict[str, Any], due: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures of ``billing bench --only renewals --json``. ``status``: of the running stack."""
    urls = status["urls"]
    own_url = with_database(urls["postgres"], DATABASE)
    settings = Settings(kafka_url=urls["kafka"], postgres_url=own_url)
    environment = {**os.environ, **environment_of_running_stack(), "BILLING_POSTGRES_URL": own_url}
    shop = Shop(urls["ingest"], status["api_key"])
    async with AsyncExitStack() as opened:
        engine = create_engine(Settings(postgres_url=urls["postgres"]))
        opened.push_async_callback(engine.dispose)
        stack = RunningStack(engine, urls, status["processes"])
        await opened.enter_async_context(own_books(urls["postgres"], settings))
        await opened.enter_async_context(own_topics(settings, [PREFIX + topic.name for topic in TOPICS]))
        postgres = await asyncpg.connect(own_url)
        opened.push_async_callback(postgres.close)
        opened.push_async_callback(stack.set_customer_mode, mode="manual")
        await stack.set_customer_mode(mode="auto")
        on_progress(f"storing {due:,} subscriptions")
        await fill(postgres, due)
        on_progress("limits of the machine")
        limits = {
            "plan_seconds": round(await plan_s(settings), 2),
            "due_rows_scanned_per_second": round(await rows_scanned_per_s(settings)),
            "decisions_per_second": round(decisions_per_s()),
            "postgres_rows_per_second": round(await postgres_rows(urls["postgres"])),
            "kafka_messages_per_second": round(await kafka_messages(settings)),
        }
        on_progress("checkouts alone")
        alone = await shop.steady(ALONE_S, CHECKOUTS_PER_S)
        on_progress(f"{due:,} renewals, and checkouts")
        worker = await opened.enter_async_context(_process("worker", environment))
        await _has_partitions(postgres, settings.kafka_partitions)
        done, cpu = asyncio.Event(), stack.cpu() | {"bench worker": _cpu(worker)}
        shopping = asyncio.ensure_future(_keep_shopping(shop, done))
        job = await opened.enter_async_context(_process("job", environment))
        try:
            await _issued(settings, postgres, due)
        finally:
            done.set()
        # From the row of the business date: the start of a process is not the job.
        seconds = await postgres.fetchval(
            "SELECT extract(epoch FROM clock_timestamp() - started_at)::float FROM job_runs"
        )
        used = stack.cpu() | {"bench worker": _cpu(worker), "bench job": _cpu(job)}
        memory = {"bench worker": _rss_mb(worker), "bench job": _rss_mb(job)}
        issued = await postgres.fetchval("SELECT count(*) FROM renewal_attempts WHERE state = 'REQUESTED'")
        meanwhile = await shopping
    return {
        "due": due,
        "issued": issued,
        "seconds": round(seconds, 2),
        "issued_per_second": round(issued / seconds),
        "cpu_seconds": {name: round(value - cpu.get(name, 0.0), 2) for name, value in used.items()},
        "rss_mb": memory,
        "floors": limits,
        "checkout_p99_ms": _p99([alone]),
        "checkout_p99_ms_meanwhile": _p99(meanwhile),
    }


@asynccontextmanager
async def _process(part: str, environment: dict[str, str]) -> AsyncIterator[psutil.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.bench.renewal_processes", part, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _has_partitions(postgres: asyncpg.Connection, partitions: int) -> None:
    """Wait until the worker reads the inbox and holds its lease."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await postgres.fetchval(
                "SELECT (SELECT count(*) FROM stream_positions WHERE consumer = 'subscriptions') = $1"
                " AND EXISTS (SELECT FROM process_leases WHERE kind = 'worker')",
                partitions,
            ):
                return
            await asyncio.sleep(POLL_S)


async def _issued(settings: Settings, postgres: asyncpg.Connection, due: int) -> None:
    """Wait until nobody is due and every command is in Kafka. Raises :class:`Stuck`."""
    consumer = new_consumer(settings)
    await consumer.start()
    places = [TopicPartition(PREFIX + INBOX.name, number) for number in range(settings.kafka_partitions)]
    commands, moved = 0, time.monotonic()
    try:
        while commands < due or await postgres.fetchval(
            "SELECT EXISTS (SELECT FROM subscriptions WHERE next_action_at <= now() AND clock_id IS NULL)"
        ):
            before, commands = commands, sum((await consumer.end_offsets(places)).values())
            if commands > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > PATIENCE_S:
                raise Stuck(f"{commands} of {due} renewals were issued")
            await asyncio.sleep(POLL_S)
    finally:
        await consumer.stop()


async def _keep_shopping(shop: Shop, done: asyncio.Event) -> list[Load]:
    loads = []
    while not done.is_set():
        loads.append(await shop.steady(ROUND_S, CHECKOUTS_PER_S))
    return loads


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _rss_mb(process: psutil.Process) -> float:
    return round(process.memory_info().rss / 2**20, 1)


def _p99(loads: Sequence[Load]) -> float | None:
    answers = sorted(seconds * 1000 for load in loads for seconds in load.answers.values())
    return round(answers[min(len(answers) - 1, len(answers) * 99 // 100)], 1) if answers else None


def renewals_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title="billing bench --only renewals", title_justify="left")
    view.add_column("")
    view.add_column("", justify="right")
    view.add_row("[bold]renewals issued per second[/]", f"[bold]{figures['issued_per_second']:,}[/]")
    view.add_row(f"{figures['issued']:,} of {figures['due']:,} in", f"{figures['seconds']} s")
    view.add_row("a checkout, p99, alone", f"{figures['checkout_p99_ms']} ms")
    view.add_row("a checkout, p99, meanwhile", f"{figures['checkout_p99_ms_meanwhile']} ms")
    view.add_section()
    for name, value in figures["cpu_seconds"].items():
        view.add_row(f"{name}: CPU", f"{value} s")
    for name, value in figures["rss_mb"].items():
        view.add_row(f"{name}: memory", f"{value:.0f} MB")
    view.add_section()
    for name, value in figures["floors"].items():
        view.add_row(f"floor: {name.replace('_', ' ')}", f"{value:,}")
    return view
