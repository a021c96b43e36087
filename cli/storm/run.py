"""Runs the storm: payments and refunds under faults until all are final, then ledger against providers."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.audit.audit import audit
from backoffice.audit.provider import Record
from cli.storm.faults import clear_faults, set_faults
from cli.storm.follow_ups import POLL_S, QUIET_S, SETTLE_S, EarlyFollowUps
from cli.storm.shop import Captures, StormShop, refund_half
from providers.registry import in_either_capture_mode
from runtime.postgres import connected
from runtime.settings import Settings
from storage.inspection import storm as sql

AUDIT_WAIT_S: Final = 60.0

OnProgress = Callable[[str], None]


async def storm(
    settings: Settings, status: dict[str, Any], payments: int, rate: float, seed: int, on_progress: OnProgress
) -> dict[str, Any]:
    """The figures of ``billing storm --json``."""
    urls, run, started = status["urls"], secrets.token_hex(4), time.monotonic()
    storm = sql.Storm(run, datetime.now(UTC))
    shop = StormShop(urls["ingest"], status["api_key"], run, seed, holding=in_either_capture_mode())
    captures = Captures(urls["ingest"], status["api_key"])
    async with connected(settings) as engine, aiohttp.ClientSession(raise_for_status=True) as http:
        await set_faults(http, urls["sandbox"], rate, seed)
        try:
            async with EarlyFollowUps(settings, engine, storm) as early:
                await _with_progress(shop.open(payments), engine, storm, lambda s: on_progress(f"selling: {s}"))
                async with engine.connect() as connection:
                    captured = await sql.captured(connection, storm)
                refunds = await _with_progress(
                    refund_half(urls["ingest"], status["api_key"], captured),
                    engine,
                    storm,
                    lambda s: on_progress(f"refunding: {s}"),
                )
                unfinished = await _until_final(engine, storm, captures, on_progress)
                sent = early.sent
                await clear_faults(http, urls["sandbox"])
                on_progress("asking about every payment: callbacks of what was done in consoles were lost too")
                await early.ask_all()
        finally:
            await clear_faults(http, urls["sandbox"])
        on_progress("the audit")
        findings = await audit(settings, AUDIT_WAIT_S, settled=False, on_progress=on_progress)
        async with engine.connect() as connection:
            statuses, sums = await sql.statuses(connection, storm), await sql.ledger_sums(connection, storm)
            failures = await sql.failures(connection, storm)
        providers = [await _compared(Record(http, urls["sandbox"]), one) for one in sums]
    return {
        "payments": payments,
        "accepted": len(shop.accepted),
        "rate": rate,
        "statuses": statuses,
        "failures": failures,
        "refunds": refunds,
        "asked_again": sent,
        "unfinished": unfinished,
        "providers": providers,
        "violations": [violation._asdict() for violation in findings.violations],
        "seconds": round(time.monotonic() - started, 1),
    }


def all_agree(figures: dict[str, Any]) -> bool:
    """Whether everything is final and all records agree, to the minor unit."""
    return (
        figures["accepted"] == figures["payments"]
        and not figures["unfinished"]
        and not figures["violations"]
        and all(one["taken"] == one["ledger_taken"] for one in figures["providers"])
        and all(one["returned"] == one["ledger_returned"] for one in figures["providers"])
    )


async def _with_progress(work: Any, engine: AsyncEngine, storm: sql.Storm, on_progress: OnProgress) -> Any:
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=POLL_S)
        async with engine.connect() as connection:
            on_progress(_line(await sql.statuses(connection, storm)))
    return await task


async def _until_final(engine: AsyncEngine, storm: sql.Storm, captures: Captures, on_progress: OnProgress) -> int:
    """Capture what is held, and wait until no operation is open; returns how many stay open."""
    least, deadline = None, 0.0
    while True:
        async with engine.connect() as connection:
            held = await sql.held(connection, storm)
            unfinished = len(await sql.open_operations(connection, storm, QUIET_S))
            on_progress(f"{unfinished} operations not final; {_line(await sql.statuses(connection, storm))}")
        await captures.ask(held)
        if least is None or unfinished < least:
            least, deadline = unfinished, time.monotonic() + SETTLE_S
        if not unfinished or time.monotonic() > deadline:
            return unfinished
        await asyncio.sleep(POLL_S)


async def _compared(record: Record, ledger: sql.LedgerSums) -> dict[str, Any]:
    orders = await record.find(ledger.order_refs)
    return {
        "provider": ledger.provider,
        "orders": ledger.orders,
        "taken": sum(order.captured for order in orders),
        "ledger_taken": ledger.taken,
        "returned": sum(order.refunded for order in orders),
        "ledger_returned": ledger.returned,
    }


def _line(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count} {status.lower()}" for status, count in _sorted(statuses.items()))


def _sorted(found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(found, key=lambda pair: -pair[1])
