"""``billing backfill``: rebuilds ClickHouse from Postgres' journal, while the sink runs."""

import asyncio
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime import gc
from runtime.settings import Settings


def backfill(
    restart: Annotated[bool, typer.Option("--restart", help="From the beginning, not from where it stopped.")] = False,
) -> None:
    """Send all of the journal to ClickHouse. Goes on where it stopped; safe at any time, for rows are versioned."""
    from cli.output import explained
    from deploy.local.connect import settings_of_running_stack
    from runtime.backoff import Outage, Refused

    try:
        with explained():
            operations, seconds = asyncio.run(_run(settings_of_running_stack(), restart=restart))
    except (Outage, Refused) as error:
        Console(stderr=True).print(f"stopped, run it again to go on: {error}", style="red", markup=False)
        raise typer.Exit(2) from error
    typer.echo(f"{operations} operations sent in {seconds:.1f} s ({operations / max(seconds, 0.001):,.0f} a second)")


async def _run(settings: Settings, *, restart: bool) -> tuple[int, float]:
    from runtime.postgres import create_engine
    from sinks.clickhouse.backfill import BACKFILL, backfill
    from sinks.clickhouse.inserter import ClickHouseInserter
    from storage.journal import records
    from storage.streams.positions import forget

    gc.settle()
    engine = create_engine(settings)
    inserter = ClickHouseInserter(settings.clickhouse_url)
    started, sent = time.monotonic(), 0
    columns = (TextColumn("backfill"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        async with engine.begin() as connection:
            if restart:
                await forget(connection, BACKFILL)
            total = sum(extent.rows for extent in (await records.extents(connection)).values())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("backfill", total=total)

            def told(messages: int, operations: int) -> None:
                nonlocal sent
                sent += operations
                progress.advance(task, messages)

            await backfill(engine, inserter, told)
    finally:
        await inserter.close()
        await engine.dispose()
    return sent, time.monotonic() - started
