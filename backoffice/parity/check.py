"""One parity check: compare, wait for rows in flight, repair if asked to, compare again."""

import asyncio
import time
from datetime import date
from typing import Final

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from backoffice.parity.compare import Comparison, Difference, affected, compare
from runtime.settings import Settings
from sinks.clickhouse.backfill import CLEARING, PAYMENTS, SOURCES, SUBSCRIPTIONS, resend
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.inspection.books import auditing_engine

#: Seconds between two comparisons.
COMPARE_EVERY_S: Final = 0.5
#: ClickHouse rows without a counterpart in Postgres that are listed.
EXTRA_MAX: Final = 1000


class ParityReport(msgspec.Struct, frozen=True):
    """``groups``: how many were compared. ``extra_rows``: keys of ClickHouse rows that Postgres does not have.
    ``remaining``: what still differs after the repair, or all ``differences`` without one."""

    groups: int
    differences: list[Difference]
    payments_sent: int
    extra_rows: list[str]
    remaining: list[Difference]
    subscriptions_sent: int = 0
    clearing_sent: int = 0


async def check(settings: Settings, day: date | None, wait_s: float, *, repair: bool) -> ParityReport:
    """Compare ``day`` (UTC) or all days; with ``repair``, send the payments, subscriptions and subjects of clearing that
    differ to ClickHouse again.

    The two stores are not read at one instant, so a difference counts only after it has lasted ``wait_s`` seconds.
    """
    engine = auditing_engine(settings)
    clickhouse = await connect(settings.clickhouse_url)
    inserter = ClickHouseInserter(settings.clickhouse_url)
    try:
        before = await _settled(engine, clickhouse, day, wait_s)
        sent, extra, after = dict.fromkeys(SOURCES, 0), list[str](), before
        if before.differences:
            async with engine.connect() as connection:
                ids, extra = await affected(connection, clickhouse, before.differences)
            if repair:
                for source in SOURCES:
                    await resend(engine, inserter, source, ids[source])
                    sent[source] = len(ids[source])
                after = await _settled(engine, clickhouse, day, wait_s)
    finally:
        await inserter.close()
        await clickhouse.close()
        await engine.dispose()
    return ParityReport(
        before.groups,
        before.differences,
        sent[PAYMENTS],
        extra[:EXTRA_MAX],
        after.differences,
        sent[SUBSCRIPTIONS],
        sent[CLEARING],
    )


async def _settled(engine: AsyncEngine, clickhouse: AsyncClient, day: date | None, wait_s: float) -> Comparison:
    deadline = time.monotonic() + wait_s
    while True:
        async with engine.connect() as connection:
            comparison = await compare(connection, clickhouse, day)
        if not comparison.differences or time.monotonic() >= deadline:
            return comparison
        await asyncio.sleep(COMPARE_EVERY_S)
