"""One parity check: look, wait for what is under way, repair if asked to, look again."""

import asyncio
import time
from datetime import date
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from backoffice.parity.compare import Difference, Parity, affected, compare
from runtime.settings import Settings
from sinks.clickhouse.backfill import resend
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.inspection.books import auditing_engine

#: Between two looks, seconds.
LOOK_EVERY_S: Final = 0.5
#: Rows in ClickHouse that the books do not have, listed.
EXTRA_MAX: Final = 1000


async def check(settings: Settings, day: date | None, wait_s: float, *, repair: bool) -> dict[str, Any]:
    """What was compared, what differed, how many payments were sent again, what still differs.

    The two are not read at one instant, so a difference counts once it has outlasted ``wait_s`` seconds.
    """
    engine = auditing_engine(settings)
    clickhouse = await connect(settings.clickhouse_url)
    inserter = ClickHouseInserter(settings.clickhouse_url)
    try:
        before = await _settled(engine, clickhouse, day, wait_s)
        sent, extra, after = 0, list[str](), before
        if before.differences:
            async with engine.connect() as connection:
                ids, extra = await affected(connection, clickhouse, before.differences)
            if repair:
                await resend(engine, inserter, ids)
                sent = len(ids)
                after = await _settled(engine, clickhouse, day, wait_s)
    finally:
        await inserter.close()
        await clickhouse.close()
        await engine.dispose()
    return {
        "groups": before.groups,
        "differences": [_shown(difference) for difference in before.differences],
        "payments_sent": sent,
        "extra_rows": extra[:EXTRA_MAX],
        "remaining": [_shown(difference) for difference in after.differences],
    }


async def _settled(engine: AsyncEngine, clickhouse: Any, day: date | None, wait_s: float) -> Parity:
    deadline = time.monotonic() + wait_s
    while True:
        async with engine.connect() as connection:
            parity = await compare(connection, clickhouse, day)
        if not parity.differences or time.monotonic() >= deadline:
            return parity
        await asyncio.sleep(LOOK_EVERY_S)


def _shown(difference: Difference) -> dict[str, Any]:
    day, provider, currency, state = difference.group
    return {
        "kind": difference.kind,
        "day": day.isoformat(),
        "provider": provider,
        "currency": currency,
        "state": state,
        "postgres": difference.postgres,
        "clickhouse": difference.clickhouse,
    }
