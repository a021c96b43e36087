"""Send the whole journal and all events of clearing to ClickHouse once more, while the sink runs."""

from collections.abc import Callable

from runtime.postgres import connected
from runtime.settings import Settings
from sinks.clickhouse import backfill as journal_backfill
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.streams.positions import forget


async def backfill(settings: Settings, on_progress: Callable[[int, int], None], *, restart: bool) -> int:
    """Continue where the last run stopped, or ``restart`` from the beginning; returns how many operations were sent.

    Safe at any time: rows are versioned. ``on_progress(messages, total)`` follows each insert. Raises
    :class:`~runtime.retry.DependencyUnavailable`; the next run continues from there.
    """
    done, sent, total = 0, 0, 0

    def advance(messages: int, operations: int) -> None:
        nonlocal done, sent
        done, sent = done + messages, sent + operations
        on_progress(done, total)

    inserter = ClickHouseInserter(settings.clickhouse_url)
    try:
        async with connected(settings) as engine:
            async with engine.begin() as connection:
                if restart:
                    await forget(connection, journal_backfill.BACKFILL)
                for source in journal_backfill.SOURCES:
                    extents = await journal_backfill.extents_of(connection, source)
                    total += sum(extent.rows for extent in extents.values())
            await journal_backfill.backfill(engine, inserter, advance)
    finally:
        await inserter.close()
    return sent
