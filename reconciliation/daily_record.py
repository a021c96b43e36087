"""What a business date brought, recorded once it is over: how its renewals ended, and who is due still. A date on which
nobody recorded is made up for, the oldest first."""

from datetime import date, datetime, time, timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.subscriptions.cadence import to_utc
from storage import job_runs
from storage.job_runs import DAILY_RECORD
from storage.processes.locks import Lock, held
from storage.subscriptions import attempts
from storage.subscriptions.due import backlog

log = structlog.get_logger(__name__)


async def record_days(engine: AsyncEngine, zone: str) -> list[date]:
    """Record the dates of ``zone`` that are over and not recorded; returns them. Changes no record that there is."""
    async with held(engine, Lock.DAILY_RECORD) as got:
        if not got:
            return []
        async with engine.begin() as connection:
            yesterday = await job_runs.business_date(connection, zone) - timedelta(days=1)
            last = next(iter(await job_runs.latest(connection, DAILY_RECORD)), None)
            first = yesterday if last is None else last.business_date + timedelta(days=1)
            await job_runs.open_runs(
                connection, DAILY_RECORD, [first + timedelta(days=n) for n in range((yesterday - first).days + 1)]
            )
        async with engine.connect() as connection:
            runs = await job_runs.unfinished(connection, DAILY_RECORD)
        for run in runs:
            await _record(engine, zone, run.business_date)
        return [run.business_date for run in runs]


async def _record(engine: AsyncEngine, zone: str, day: date) -> None:
    start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    async with engine.begin() as connection:
        ended = await attempts.ended(connection, start, end)
        overdue = {due.provider: due.number for due in await backlog(connection, before=end)}
        counts = {"ended": msgspec.to_builtins(ended), "overdue": overdue}
        await job_runs.record(connection, DAILY_RECORD, day, counts)
        await job_runs.finish(connection, DAILY_RECORD, day + timedelta(days=1))
    log.info("business date recorded", business_date=str(day), **counts)


def _midnight(day: date, zone: str) -> datetime:
    return to_utc(datetime.combine(day, time()), zone)
