"""Runs the loads and computes the figures of full payments."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.bench.load import Shop
from cli.bench.operations import operation_costs
from cli.bench.repeated import interpreter, medians, spread
from cli.bench.running_stack import RunningStack
from cli.bench.work import allowed_per_second, work_done
from runtime.postgres import create_engine
from runtime.settings import Settings
from storage.inspection.bench import copy_sample, take_sample

WARM_UP_S: Final = 3.0


async def measure(status: dict[str, Any], plan: "Plan", on_progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures of ``billing bench --json``: of one run, or the medians of several with their spread."""
    settings = Settings(kafka_url=status["urls"]["kafka"], postgres_url=status["urls"]["postgres"])
    engine = create_engine(settings)
    stack = RunningStack(engine, status["urls"], status["processes"])
    found = []
    try:
        await stack.set_customer_mode(mode="auto")
        shop = Shop(status["urls"]["ingest"], status["api_key"])
        await shop.rush(WARM_UP_S, plan.concurrency)
        await stack.settle(0, datetime.now(UTC))
        for number in range(1, plan.runs + 1):
            of = f"run {number} of {plan.runs}: " if plan.runs > 1 else ""
            found.append(await _one_run(stack, shop, settings, plan, partial(_told, on_progress, of)))
        costs = {} if plan.rate else await operation_costs(stack, shop, status, on_progress)
        history = await _with_stored(stack, shop, plan, on_progress) if plan.stored else {}
    finally:
        await stack.set_customer_mode(mode="manual")
        await engine.dispose()
    figures = medians(found) | {"interpreter": interpreter(), "rss_mb": stack.memory()}
    for name in ("payments", "answered_without_url", "lost", "duplicates"):
        figures[name] = sum(each[name] for each in [*found, *([history] if history else [])])
    figures["failed_requests"] = {
        k: n for each in (*found, history) for k, n in each.get("failed_requests", {}).items()
    }
    if costs:
        figures["cpu_ms_per_operation"] = costs
    if plan.runs > 1:
        figures["spread"] = spread(found)
    return figures | {name: value for name, value in history.items() if name not in figures}


def _told(on_progress: Callable[[str], None], of: str, what: str) -> None:
    on_progress(of + what)


class Plan(NamedTuple):
    """``seconds``: of each load; ``concurrency``: clients at full speed; ``rate``: payments a second, instead of full speed
    and then half of it; ``stored``: measure full speed again with this many more stored payments."""

    seconds: float
    concurrency: int = 48
    stored: int = 0
    rate: float | None = None
    runs: int = 1


async def _one_run(
    stack: RunningStack, shop: Shop, settings: Settings, plan: Plan, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    on_progress("limits of the machine")
    limits = await stack.floors(settings)
    before = await work_done(settings, settings.postgres_url)
    if plan.rate is not None:
        on_progress(f"{plan.rate:g} payments a second for {plan.seconds:.0f} s")
        first = await stack.under_load(shop.steady(plan.seconds, plan.rate))
    else:
        on_progress(f"full speed for {plan.seconds:.0f} s")
        first = await stack.under_load(shop.rush(plan.seconds, plan.concurrency))
    after = await work_done(settings, settings.postgres_url)
    allowed = allowed_per_second(limits, before, after, first["captured"], first["signals"])
    rate = first["captured"] / first["settled_seconds"]
    loads = [first]
    if plan.rate is None:
        on_progress(f"half of {rate:.0f} payments a second for {plan.seconds:.0f} s")
        loads.append(await stack.under_load(shop.steady(plan.seconds, rate / 2)))
    return {
        "payments_per_second": round(rate, 1),
        "payments_per_provider_call": round(rate / limits["provider_calls_per_second"], 4),
        "floor_payments_per_second": round(allowed),
        "share_of_floor": round(rate / allowed, 3) if allowed else 0.0,
        "overhead_ms": await stack.overhead_ms(loads[-1]["load"]),
        "cpu_ms_per_payment": first["cpu_ms_per_payment"],
        "cpu_ms_per_payment_in_all": round(sum(first["cpu_ms_per_payment"].values()), 2),
        "rss_growth_mb": first["rss_growth_mb"],
        "floors": limits,
        **_outcome(loads),
    }


async def _with_stored(
    stack: RunningStack, shop: Shop, plan: Plan, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    stored = await fill(stack.engine, plan.stored, on_progress)
    on_progress(f"full speed again for {plan.seconds:.0f} s")
    again = await stack.under_load(shop.rush(plan.seconds, plan.concurrency))
    return {
        "stored": stored,
        "payments_per_second_with_stored": round(again["captured"] / again["settled_seconds"], 1),
        "cpu_ms_per_payment_with_stored": again["cpu_ms_per_payment"],
        **_outcome([again]),
    }


def _outcome(loads: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "payments": sum(load["captured"] for load in loads),
        "answered_without_url": sum(load["load"].without_url for load in loads),
        "failed_requests": {kind: count for load in loads for kind, count in load["load"].failed.items()},
        "lost": sum(load["lost"] for load in loads),
        "duplicates": sum(load["duplicates"] for load in loads),
    }


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
    view.add_row(
        "of what the floors allow", f"{figures['share_of_floor']:.1%} of {figures['floor_payments_per_second']:,}"
    )
    view.add_row("CPU per payment, all processes", f"{figures['cpu_ms_per_payment_in_all']} ms")
    costs = figures.get("cpu_ms_per_operation", {})
    for name, value in costs.items():
        times = f", {value / costs['one_stage']:.1f} times" if name != "one_stage" else ""
        view.add_row(f"CPU above idle, {name.replace('_', ' ')}", f"{value} ms{times}")
    for name, value in figures["overhead_ms"].items():
        view.add_row(f"our overhead at a steady rate, {name}", f"{value} ms")
    for name, (least, most) in figures.get("spread", {}).items():
        view.add_row(f"spread of {name.replace('_', ' ')}", f"{least} to {most}")
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
    view.add_row("interpreter", figures["interpreter"])
    view.add_row("lost", str(figures["lost"]))
    view.add_row("duplicates", str(figures["duplicates"]))
    return view
