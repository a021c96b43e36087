"""The whole audit: every source, as of one moment in Postgres; apparent violations are checked twice."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.clickhouse import connect
from backoffice.audit import analytics, clearing, provider, signals, streams
from backoffice.audit.findings import Findings
from runtime.kafka.reader import TopicReader
from runtime.kafka.topic_admin import topic_problems
from runtime.settings import Settings
from storage.inspection import books as sql
from storage.streams.positions import Consumer

#: Seconds between two checks: time for messages in flight to arrive.
RECHECK_AFTER_S: Final = 1.0

OnProgress = Callable[[str], None]
"""Called with what is being checked."""


async def audit(settings: Settings, wait_s: float, *, settled: bool, on_progress: OnProgress) -> Findings:
    """Wait up to ``wait_s`` for the consumers to catch up, then compare everything.

    The services are not read at the same instant, so a change may be visible in one and not yet in another. A
    violation therefore counts only if a second check finds it too.
    """
    engine = sql.auditing_engine(settings)
    try:
        clickhouse = await connect(settings.clickhouse_url)
        try:
            async with TopicReader.open(settings) as log:
                await _catch_up(engine, log, wait_s, on_progress)
                findings = await _check(settings, engine, log, clickhouse, settled=settled, on_progress=on_progress)
                if findings.violations:
                    on_progress("checking apparent violations again")
                    await asyncio.sleep(RECHECK_AFTER_S)
                    again = await _check(settings, engine, log, clickhouse, settled=settled, on_progress=on_progress)
                    seen = {(violation.kind, violation.id) for violation in findings.violations}
                    again.violations = [v for v in again.violations if (v.kind, v.id) in seen]
                    findings = again
        finally:
            await clickhouse.close()
    finally:
        await engine.dispose()
    return findings


async def _catch_up(engine: AsyncEngine, log: TopicReader, wait_s: float, on_progress: OnProgress) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        async with sql.moment(engine) as connection:
            lag = await streams.check_positions(connection, log, Findings(), settled=False)
        if not any(lag.values()) or time.monotonic() > deadline:
            return
        on_progress(f"waiting for {sum(lag.values())} messages in flight")
        await asyncio.sleep(RECHECK_AFTER_S / 4)


async def _check(
    settings: Settings,
    engine: AsyncEngine,
    log: TopicReader,
    clickhouse: AsyncClient,
    *,
    settled: bool,
    on_progress: OnProgress,
) -> Findings:
    findings = Findings()
    async with sql.moment(engine) as connection:
        on_progress("Postgres: ledger, payments, operations, journal")
        await check_books(connection, findings)
        on_progress("Kafka: positions, journal, dead letters")
        lag = await streams.check_positions(connection, log, findings, settled=settled)
        buried = await streams.buried(log, findings)
        processed = {}
        for consumer, inbox in streams.INBOXES.items():
            starts = {partition: first for partition, (first, _) in (await log.bounds(inbox)).items()}
            processed[consumer] = await streams.check_journal(connection, consumer, starts, buried, findings)
        for topic, problem in (await topic_problems(settings)).items():
            findings.found("topic_unfit", topic, problem)
        on_progress("Kafka: accepted requests")
        await streams.check_requests(connection, log, processed[Consumer.PAYMENTS], buried, findings)
        on_progress("Kafka: published events")
        await streams.check_events(connection, log, findings)
        on_progress("the providers' own records")
        await provider.check_charges(connection, settings, findings, settled=settled)
        on_progress("clearing")
        await clearing.check_clearing(connection, settings, findings)
        on_progress("ClickHouse")
        behind = not settled and lag.get(Consumer.ANALYTICS, 0) > 0
        await analytics.check_analytics(connection, clickhouse, findings, behind=behind)
    on_progress("RabbitMQ")
    signals.check_dead(await signals.count_dead(settings), findings)
    return findings


async def check_books(connection: AsyncConnection, findings: Findings) -> None:
    """Postgres alone: every query of :data:`storage.inspection.books.KINDS`, on the state of one moment."""
    findings.checked.update(await sql.counts(connection))
    for kind in sql.KINDS:
        for id, detail in await sql.broken(connection, kind):
            findings.found(kind, id, detail)
