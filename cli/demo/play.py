"""Plays the demo and waits until every part tells the same story, or time is up."""

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

#: After the last customer left: time for callbacks, signals and analytics to arrive, a killed process included.
SETTLE_S: Final = 90.0
LOOK_EVERY_S: Final = 0.5
#: The story must stay the same for this long before it is believed: a double may still be on its way.
QUIET_S: Final = 1.5
#: What a part that is away, or coming back, makes its client raise.
AWAY: Final = (aiohttp.ClientError, ClickHouseError, DBAPIError, OSError, TimeoutError)


def running_stack(*, quiet: bool) -> dict[str, Any]:
    """The status of the stack, brought up if needed. Raises :class:`subprocess.CalledProcessError` if it will not."""
    billing = [sys.executable, "-m", "cli.main"]
    subprocess.run([*billing, "up"], check=True, stdout=sys.stderr if quiet else None)
    status = subprocess.run([*billing, "status", "--json"], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(status.stdout)
    return found


async def play(
    status: dict[str, Any], customers: int, seed: int, show: Callable[[Report, Shop], None]
) -> tuple[Report, float]:
    """Serve ``customers`` and return the final report and the seconds it took; ``show`` gets each look on the way."""
    urls = status["urls"]
    run = secrets.token_hex(4)
    shop = Shop(urls["ingest"], status["api_key"], run, seed)
    names = [shop.customer(number) for number in range(customers)]
    engine = create_engine(Settings(postgres_url=urls["postgres"]))
    started, since = time.monotonic(), datetime.now(UTC)
    async with aiohttp.ClientSession() as http:
        evidence = await _open_patiently(lambda: Evidence.open(engine, urls, run, names, http, since))
        try:
            opening = asyncio.create_task(shop.open(customers))
            report = await _until_settled(evidence, shop, customers, opening, show)
        finally:
            await evidence.close()
            await engine.dispose()
    return report, time.monotonic() - started


async def _open_patiently(connect: Callable[[], Awaitable[Evidence]]) -> Evidence:
    """Connect to every part; one that is just coming back is waited for."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            return await connect()
        except AWAY:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(LOOK_EVERY_S)


async def _until_settled(
    evidence: Evidence,
    shop: Shop,
    customers: int,
    opening: asyncio.Task[None],
    show: Callable[[Report, Shop], None],
) -> Report:
    deadline = good_since = None
    while True:
        report = await _look(evidence, shop)
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
        await asyncio.sleep(LOOK_EVERY_S)


def _agrees(report: Report, shop: Shop, customers: int) -> bool:
    """Every part tells the same story, and the customers got what they came for."""
    wants = [shop.behaviour(number) for number in range(customers)]
    return (
        not report.problems
        and report.accepted == customers
        and report.captured == wants.count(Behaviour.PAYS)
        and report.declined == wants.count(Behaviour.DECLINES)
        and report.abandoned == report.pending == wants.count(Behaviour.WALKS_AWAY)
    )


async def _look(evidence: Evidence, shop: Shop) -> Report | None:
    """One look at everything; ``None`` while a part of the stack is away."""
    try:
        return await evidence.report(shop.accepted)
    except AWAY:
        return None


def consistent(report: Report, shop_customers: int) -> bool:
    """Whether the demo may end with success."""
    return not report.problems and report.accepted == shop_customers
