"""Runs the demo and waits until every service has recorded the same outcome, or time is up."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlalchemy.exc import DBAPIError

from cli.demo.evidence import Evidence, Report
from cli.demo.shop import Behaviour, Shop
from runtime.postgres import create_engine
from runtime.settings import Settings

#: Seconds for callbacks, signals and analytics to arrive after the last customer; enough for a process to restart.
SETTLE_S: Final = 90.0
POLL_S: Final = 0.5
#: Seconds that the records must stay equal: a duplicate may still arrive.
QUIET_S: Final = 1.5
#: Raised by the client of a service that is unavailable or restarting.
UNAVAILABLE_ERRORS: Final = (aiohttp.ClientError, ClickHouseError, DBAPIError, OSError, TimeoutError)


def running_stack(*, quiet: bool) -> dict[str, Any]:
    """The status of the stack, started if needed. Raises :class:`subprocess.CalledProcessError` if it does not start."""
    billing = [sys.executable, "-m", "cli.main"]
    subprocess.run([*billing, "up"], check=True, stdout=sys.stderr if quiet else None)
    status = subprocess.run([*billing, "status", "--json"], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(status.stdout)
    return found


async def play(
    status: dict[str, Any], customers: int, seed: int, show: Callable[[Report, Shop], None]
) -> tuple[Report, float]:
    """Serve ``customers``; returns the final report and the seconds it took. ``show`` gets every interim report."""
    urls = status["urls"]
    run = secrets.token_hex(4)
    shop = Shop(urls["ingest"], status["api_key"], run, seed)
    names = [shop.customer(number) for number in range(customers)]
    engine = create_engine(Settings(postgres_url=urls["postgres"]))
    started, since = time.monotonic(), datetime.now(UTC)
    async with aiohttp.ClientSession() as http:
        evidence = await _connect(lambda: Evidence.open(engine, urls, run, names, http, since))
        try:
            opening = asyncio.create_task(shop.open(customers))
            report = await _until_settled(evidence, shop, customers, opening, show)
        finally:
            await evidence.close()
            await engine.dispose()
    return report, time.monotonic() - started


async def _connect(open: Callable[[], Awaitable[Evidence]]) -> Evidence:
    """Connect to every service; retries while one is restarting."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            return await open()
        except UNAVAILABLE_ERRORS:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)


async def _until_settled(
    evidence: Evidence,
    shop: Shop,
    customers: int,
    opening: asyncio.Task[None],
    show: Callable[[Report, Shop], None],
) -> Report:
    deadline = good_since = None
    while True:
        report = await _report(evidence, shop)
        if report is not None:
            show(report, shop)
        now = time.monotonic()
        if opening.done():
            await opening
            deadline = deadline or now + SETTLE_S
            good_since = (good_since or now) if report is not None and _agrees(report, shop, customers) else None
            settled = good_since is not None and now - good_since >= QUIET_S
            if report is not None and (settled or now > deadline):
                return report
        await asyncio.sleep(POLL_S)


def _agrees(report: Report, shop: Shop, customers: int) -> bool:
    """Every service recorded the same, and each customer got the expected outcome."""
    expected = [shop.behaviour(number) for number in range(customers)]
    return (
        not report.problems
        and report.accepted == customers
        and report.captured == expected.count(Behaviour.PAYS)
        and report.declined == expected.count(Behaviour.DECLINES)
        and report.abandoned == report.pending == expected.count(Behaviour.ABANDONS)
    )


async def _report(evidence: Evidence, shop: Shop) -> Report | None:
    """One report; ``None`` while a service is unavailable."""
    try:
        return await evidence.report(shop.accepted)
    except UNAVAILABLE_ERRORS:
        return None


def consistent(report: Report, customers: int) -> bool:
    """Whether the demo succeeded."""
    return not report.problems and report.accepted == customers
