"""A job has one row for each business date; to open, finish or record it again changes nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage import job_runs
from storage.job_runs import RENEWALS, JobRun

TODAY = date(2026, 3, 31)
TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
async def connection(database: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Each statement is committed at once, as the job's are."""
    async with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield connection


async def the_run(connection: AsyncConnection) -> JobRun:
    (run,) = await job_runs.latest(connection, RENEWALS, 10)
    return run


async def test_a_run_that_is_open_stays_as_it_is(connection: AsyncConnection) -> None:
    await job_runs.open_runs(connection, RENEWALS, [TODAY])
    await job_runs.add(connection, RENEWALS, TODAY, "woken", 7)
    first = await the_run(connection)
    await job_runs.open_runs(connection, RENEWALS, [TODAY])
    assert await the_run(connection) == first
    assert first.counts == {"woken": 7}


async def test_a_run_is_finished_once(connection: AsyncConnection) -> None:
    await job_runs.open_runs(connection, RENEWALS, [TODAY])
    await job_runs.finish(connection, RENEWALS, TOMORROW)
    first = await the_run(connection)
    assert first.finished_at is not None
    assert first.finished_at <= datetime.now(UTC)
    await job_runs.finish(connection, RENEWALS, TOMORROW)
    assert await the_run(connection) == first


async def test_the_plan_of_a_run_that_is_finished_stays(connection: AsyncConnection) -> None:
    await job_runs.open_runs(connection, RENEWALS, [TODAY])
    await job_runs.record(connection, RENEWALS, TODAY, {"plan": [1]})
    await job_runs.finish(connection, RENEWALS, TOMORROW)
    await job_runs.record(connection, RENEWALS, TODAY, {"plan": []})
    assert (await the_run(connection)).counts == {"plan": [1]}
