"""``billing renewals`` on the running stack, and the scheduler that works there."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from tests.conftest import Stack

PATIENCE_S = 60


@pytest.fixture
async def postgres(stack: dict[str, Any]) -> Any:
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    yield connection
    await connection.close()


async def opened(postgres: Any) -> str:
    """Today's run, which the scheduler opens in its first minute."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            today = await postgres.fetchval(
                "SELECT business_date::text FROM job_runs WHERE job = 'renewals' AND finished_at IS NULL"
            )
            if today is not None:
                return str(today)
            await asyncio.sleep(0.2)


async def test_the_scheduler_opens_the_business_date_and_records_the_day_before(running: Stack, postgres: Any) -> None:
    today = await opened(postgres)
    status = running.billing("renewals", "status", "--json")
    assert status.returncode == 0, status.stderr
    found = json.loads(status.stdout)
    assert (found["braked"], found["dates"][0]["business_date"]) == (None, today)
    async with asyncio.timeout(PATIENCE_S):
        while not await postgres.fetchval(
            "SELECT count(*) FROM job_runs WHERE job = 'daily_record' AND finished_at IS NOT NULL"
        ):
            if await postgres.fetchval("SELECT (now() AT TIME ZONE 'Europe/Moscow')::time < '00:11'"):
                return  # the trigger of the day comes at 00:10
            await asyncio.sleep(0.2)


async def test_a_braked_date_waits_for_a_person_who_stays_on_record(running: Stack, postgres: Any) -> None:
    today = await opened(postgres)
    await postgres.execute(
        "UPDATE job_runs SET braked_at = now(), brake = 'a drill' WHERE job = 'renewals' AND business_date = $1::text::date",
        today,
    )
    status = running.billing("renewals", "status", "--json")
    assert (status.returncode, json.loads(status.stdout)["braked"]) == (1, today)
    refused = running.billing("renewals", "run")
    assert (refused.returncode, "a drill" in refused.stderr) == (1, True)

    release = ("renewals", "release", today, "--reason", "checked", "--actor", "olga")
    assert running.billing(*release).returncode == 0
    (released,) = [d for d in json.loads(running.billing("renewals", "status", "--json").stdout)["dates"] if d["brake"]]
    assert (released["released_by"], released["release_reason"]) == ("olga", "checked")
    again = running.billing(*release)
    assert (again.returncode, "not braked" in again.stderr) == (1, True)
    rows = await postgres.fetch(
        "SELECT actor, reason, outcome FROM operator_actions WHERE action = 'release_renewals' ORDER BY id DESC LIMIT 2"
    )
    assert [tuple(row) for row in rows] == [("olga", "checked", "refused"), ("olga", "checked", "done")]
    ran = running.billing("renewals", "run", "--json")
    # The scheduler may be at it.
    assert json.loads(ran.stdout)["outcome"] in ("done", "another run is under way"), ran.stderr


async def test_the_plan_lists_charges_by_date(running: Stack, postgres: Any) -> None:
    await opened(postgres)
    plan = running.billing("renewals", "plan", "--days", "3", "--json")
    assert plan.returncode == 0, plan.stderr
    assert isinstance(json.loads(plan.stdout)["due"], list)
