"""Switches and breakers, shared through a real Postgres."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.reasons import Reason
from billing.vocabulary import Outcome
from providers.base import CallResult
from storage.providers.switches import BREAKER_FORGOTTEN, Switch, open_breakers, switches, turn
from streams.provider_calls.availability import Availability
from streams.provider_calls.breaker import JUDGED_FROM, OPEN_S, Breaker
from tests.support.factories import NOW

BAD = CallResult(Outcome.UNKNOWN, reason="timeout")


def availability(engine: AsyncEngine, worker: str = "worker-1") -> Availability:
    return Availability(engine, ["left", "right"], worker, now=lambda: NOW)


async def said(engine: AsyncEngine, *, enabled: bool, reason: str = "an incident") -> None:
    async with engine.begin() as connection:
        await turn(connection, "left", Switch(enabled, reason, "olga", NOW))


async def breakers(engine: AsyncEngine, later: timedelta = timedelta()) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        return [(b.provider, b.worker, b.reason) for b in await open_breakers(connection, NOW + later)]


async def test_a_provider_switched_off_is_called_by_no_worker_until_it_is_switched_on(database):
    first, second = availability(database, "worker-1"), availability(database, "worker-2")
    await said(database, enabled=False)
    for worker in (first, second):
        await worker.look()
        assert (worker.refusal("left"), worker.refusal("right")) == (Reason.PROVIDER_DISABLED, None)
    await said(database, enabled=True)
    await first.look()
    assert first.refusal("left") is None


async def test_every_word_on_a_provider_stays_on_record(database):
    await said(database, enabled=False, reason="first")
    await said(database, enabled=True, reason="second")
    async with database.connect() as connection:
        assert (await switches(connection))["left"].reason == "second"
        rows = await connection.exec_driver_sql("SELECT reason, actor FROM provider_switches ORDER BY id")
        assert [tuple(row) for row in rows] == [("first", "olga"), ("second", "olga")]


@pytest.mark.parametrize("field", ["reason", "actor"])
async def test_a_switch_is_not_turned_without_a_reason_and_a_name(database, field):
    values = {"enabled": False, "reason": "why", "actor": "olga", "switched_at": NOW} | {field: ""}
    with pytest.raises(Exception, match="violates check constraint"):
        async with database.begin() as connection:
            await turn(connection, "left", Switch(**values))


async def test_an_open_breaker_is_seen_from_outside_for_as_long_as_it_is_open(database):
    clock = [0.0]
    worker = Availability(
        database, ["left", "right"], "worker-1", breaker=lambda: Breaker(lambda: clock[-1]), now=lambda: NOW
    )
    for _ in range(JUDGED_FROM):
        assert worker.refusal("left") is None
        worker.note("left", BAD)
    assert worker.refusal("left") == Reason.BREAKER_OPEN
    assert worker.refusal("right") is None, "another provider's health is its own"
    await worker.look()
    assert await breakers(database) == [("left", "worker-1", "timeout")]
    clock.append(OPEN_S)
    assert worker.refusal("left") is None
    worker.note("left", CallResult(Outcome.SUCCEEDED))
    await worker.look()
    assert await breakers(database) == []


async def test_the_breaker_of_a_worker_that_is_gone_is_not_counted(database):
    worker = availability(database)
    for _ in range(JUDGED_FROM):
        worker.note("left", BAD)
    await worker.look()
    assert await breakers(database, BREAKER_FORGOTTEN) != []
    assert await breakers(database, BREAKER_FORGOTTEN + timedelta(seconds=1)) == []
