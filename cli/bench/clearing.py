"""How long a day of operations takes to clear: the register is read over HTTP, staged, joined with the books and compared, by
the code of the scheduler in a process of its own, with a database and topics of the benchmark's own. A tenth of the day is
cleared first: memory must not grow with the day."""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from aiohttp import web
from rich.table import Table

from billing.messages import MESSAGE_TYPES
from billing.messages.topics import DEAD_LETTERS, INBOX
from cli.bench.cleared_operations import PROVIDER, Named, fill, found, write_register
from cli.bench.isolation import PREFIX, own_books, own_topics, with_database
from cli.bench.load import Load, Shop
from cli.bench.run import WARM_UP_S
from cli.bench.running_stack import RunningStack
from deploy.local.connect import environment_of_running_stack
from providers.registers import load_map, read_register
from providers.registry import PLUGINS
from runtime.clock import utc_now
from runtime.postgres import connected
from runtime.settings import Settings
from storage.processes.leases import WORKER, Lease
from storage.tables import STATEMENT_STAGING

DATABASE: Final = "billing_bench_clearing"
#: The day that is cleared is so long over that everything about it is ready.
DAYS_AGO: Final = 3
#: Turns of payments beside clearing and alone, and the seconds of each; clients that post at full speed.
TURNS: Final = 3
TURN_S: Final = 15.0
CONCURRENCY: Final = 48
#: How the message on progress begins while clearing runs.
CLEARING: Final = "clearing"
#: A register is whole if it was written so long ago, seconds.
_AT_REST_S: Final = 3_600
_JOIN: Final = f"""
    SELECT count(*) FROM (
        SELECT operation_id, sum(amount) FROM ledger_entries WHERE account = 'clearing:{PROVIDER}' GROUP BY 1
    ) ours
    FULL JOIN (SELECT operation_id, sum(amount) FROM statement_lines WHERE operation_id IS NOT NULL GROUP BY 1) theirs
    USING (operation_id)
"""  # noqa: S608 - of a constant


class Failed(Exception):
    """The measured process failed."""


async def measure_clearing(
    status: dict[str, Any], operations: int, on_progress: Callable[[str], None], *, with_payments: bool = False
) -> dict[str, Any]:
    """The figures of ``billing bench --only clearing --json``. ``status``: of the running stack. ``with_payments``: clear a
    fifth of them several times more, and post payments meanwhile."""
    urls = status["urls"]
    own_url = with_database(urls["postgres"], DATABASE)
    settings = Settings(kafka_url=urls["kafka"], postgres_url=own_url)
    small = await _cleared(urls["postgres"], settings, operations // 10, on_progress)
    large = await _cleared(urls["postgres"], settings, operations, on_progress)
    payments = await _beside_payments(status, settings, operations // 5, on_progress) if with_payments else {}
    return {
        "operations": operations,
        "seconds": large["seconds"],
        "by_step": large["ran"]["seconds"],
        "rss_mb": large["peak_mb"],
        "rss_growth_mb": round(large["peak_mb"] - small["peak_mb"], 1),
        "floors": large["floors"],
        "named": large["named"],
        "seeded": large["seeded"],
        "invented": large["invented"],
        "outcome": large["ran"]["outcome"],
        **payments,
    }


async def _beside_payments(
    status: dict[str, Any], settings: Settings, operations: int, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Payments a second beside clearing and alone, by turns (the machine's own speed moves): at full speed, then at half of
    it; and what share is kept beside clearing."""
    urls = status["urls"]
    shop, begun = Shop(urls["ingest"], status["api_key"]), asyncio.Event()

    def progress(step: str) -> None:
        if step.startswith(CLEARING):
            begun.set()
        on_progress(step)

    async with connected(Settings(postgres_url=urls["postgres"])) as engine:
        stack = RunningStack(engine, urls, status["processes"])

        async def per_second(load: Coroutine[Any, Any, Load]) -> float:
            figures = await stack.under_load(load)
            rate: float = figures["captured"] / figures["settled_seconds"]
            return round(rate, 1)

        async def by_turns(load: Callable[[], Coroutine[Any, Any, Load]]) -> dict[str, Any]:
            rates: dict[str, list[float]] = {"alone": [], "beside": []}
            for _ in range(TURNS):
                begun.clear()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_cleared(urls["postgres"], settings, operations, progress))
                    await begun.wait()
                    rates["beside"].append(await per_second(load()))
                on_progress("payments alone")
                rates["alone"].append(await per_second(load()))
            return rates | {"kept": round(sum(rates["beside"]) / sum(rates["alone"]), 2)}

        await stack.set_customer_mode(mode="auto")
        try:
            await stack.under_load(shop.rush(WARM_UP_S, CONCURRENCY))
            full = await by_turns(lambda: shop.rush(TURN_S, CONCURRENCY))
            half = sum(full["alone"]) / TURNS / 2
            return {
                "payments_at_full_speed": full,
                "payments_at_half_speed": await by_turns(lambda: shop.steady(TURN_S, half)),
            }
        finally:
            await stack.set_customer_mode(mode="manual")


async def _cleared(
    stack_url: str, settings: Settings, operations: int, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    """A day of so many operations is cleared; the figures of the process, and what it named."""
    day, settlement = utc_now().date() - timedelta(days=DAYS_AGO), PLUGINS[PROVIDER].capabilities.settlement
    start = settlement.business_day(day)[0]
    with tempfile.TemporaryDirectory() as folder:
        register = Path(folder, f"{day}.csv")
        on_progress(f"storing {operations:,} operations, and writing the register of them")
        async with (
            own_books(stack_url, settings),
            own_topics(settings, [PREFIX + t.name for t in (INBOX, DEAD_LETTERS)]),
        ):
            postgres = await asyncpg.connect(settings.postgres_url)
            try:
                await fill(postgres, operations, start)
                seeded = await asyncio.to_thread(write_register, register, operations, start)
                await _worker_runs(settings)
                on_progress(f"{CLEARING} {operations:,} operations")
                async with _served(register) as url:
                    figures = await _process(day, url, settings)
                on_progress("limits of the machine")
                floors = {
                    "parse_seconds": await asyncio.to_thread(_parse_s, register),
                    "copy_seconds": await _copy_s(postgres, operations),
                    "join_seconds": await _join_s(postgres),
                }
                return figures | _named(seeded, await found(postgres)) | {"floors": floors}
            finally:
                await postgres.close()


def _named(seeded: list[Named], found: list[Named]) -> dict[str, int]:
    """How many faults were seeded, how many of them have their name once, and how many names stand for none."""
    times = Counter(found)
    return {
        "seeded": len(seeded),
        "named": sum(times[fault] == 1 for fault in seeded),
        "invented": sum((times - Counter(seeded)).values()),
    }


async def _worker_runs(settings: Settings) -> None:
    """A worker holds a lease that knows every message type: clearing sends payments only what all workers know."""
    async with connected(settings) as engine, engine.begin() as connection:
        await Lease(WORKER, "bench", "here", 3_600.0, MESSAGE_TYPES.keys()).refresh(connection)


@asynccontextmanager
async def _served(register: Path) -> AsyncIterator[str]:
    """The URL of the register's folder."""
    os.utime(register, (time.time() - _AT_REST_S,) * 2)
    app = web.Application()
    app.router.add_static("/", register.parent)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _process(day: date, url: str, settings: Settings) -> dict[str, Any]:
    environment = {**os.environ, **environment_of_running_stack(), "BILLING_POSTGRES_URL": settings.postgres_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.bench.clearing_process", str(day), url, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode:
        raise Failed(errors.decode()[-2_000:])
    figures: dict[str, Any] = msgspec.json.decode(output)
    return figures


def _parse_s(register: Path) -> float:
    """Reading the register, and nothing else."""
    started = time.perf_counter()
    with register.open("rb") as file:
        for _ in read_register(file, load_map(PROVIDER), is_proven=True):
            pass
    return round(time.perf_counter() - started, 4)


async def _copy_s(postgres: asyncpg.Connection, number: int) -> float:
    """COPY of as many rows, as wide as lines, into a table without an index."""
    columns = [column.name for column in STATEMENT_STAGING.columns]
    lines = await postgres.fetch("SELECT l.*, 'register' AS part, 1 AS number FROM statement_lines l LIMIT 1")
    row = tuple(lines[0][column] for column in columns)
    await postgres.execute("CREATE UNLOGGED TABLE bench_lines (LIKE statement_staging)")
    started = time.perf_counter()
    await postgres.copy_records_to_table("bench_lines", records=(row for _ in range(number)), columns=columns)
    return round(time.perf_counter() - started, 4)


async def _join_s(postgres: asyncpg.Connection) -> float:
    """The sums of both sides, joined and counted."""
    started = time.perf_counter()
    await postgres.fetchval(_JOIN, timeout=None)
    return round(time.perf_counter() - started, 4)


def clearing_table(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    view = Table(title="billing bench --only clearing", title_justify="left")
    view.add_column("")
    view.add_column("", justify="right")
    view.add_row(f"[bold]{figures['operations']:,} operations cleared[/] in", f"[bold]{figures['seconds']} s[/]")
    for name, value in figures["by_step"].items():
        view.add_row(f"  {name}", f"{value:.1f} s")
    view.add_row("memory (growth from a tenth)", f"{figures['rss_mb']:.0f} MB ({figures['rss_growth_mb']:+.0f})")
    view.add_section()
    view.add_row("faults seeded", f"{figures['seeded']:,}")
    view.add_row("named once", f"{figures['named']:,}")
    view.add_row("invented", f"{figures['invented']:,}")
    for speed in ("full", "half"):
        if rates := figures.get(f"payments_at_{speed}_speed"):
            view.add_section()
            view.add_row(f"payments a second at {speed} speed, alone", ", ".join(map(str, rates["alone"])))
            view.add_row("  beside clearing", ", ".join(map(str, rates["beside"])))
            view.add_row("  kept", f"{rates['kept']:.0%}")
    view.add_section()
    for name, value in figures["floors"].items():
        view.add_row(f"floor: {name.removesuffix('_seconds')}", f"{value} s")
    return view
