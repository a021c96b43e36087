"""Days are cleared in order, each once, whatever happened to the scheduler meanwhile."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from billing.clearing.discrepancies import Kind, State
from providers.statements import LineKind, Part, StatementUnavailable
from reconciliation.clearing.job import ClearingJob, job_name
from reconciliation.clearing.run import Outcome
from reconciliation.metrics import Metrics
from storage import job_runs
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import PROVIDER

JOB = job_name(PROVIDER)


@pytest.fixture
async def world(database: Any) -> Cleared:
    return Cleared(database)


def a_job(world: Cleared, since: date | None = None) -> ClearingJob:
    providers: Mapping[str, Any] = {PROVIDER: world.statement}
    publisher: Any = world.kafka
    return ClearingJob(world.engine, publisher, providers, Metrics(), since=since, now=lambda: world.now)


def at_day(world: Cleared, day: date) -> None:
    """The statement of ``day`` is ready, that of the next is not."""
    world.now = SETTLEMENT.business_day(day)[1] + SETTLEMENT.ready_after + timedelta(minutes=1)


async def finished(world: Cleared) -> list[tuple[Any, ...]]:
    return await world.rows(
        f"SELECT business_date, finished_at IS NOT NULL FROM job_runs WHERE job = '{JOB}' ORDER BY business_date"
    )


async def test_no_day_is_due_before_money_has_moved(world: Cleared) -> None:
    assert await a_job(world).look() == []
    assert await finished(world) == []


async def test_days_that_were_missed_are_cleared_in_order_each_once(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY + timedelta(days=3))
    job = a_job(world)
    first, second = await job.look(), await job.look()
    assert [ran.day for ran in first + second] == [DAY + timedelta(days=n) for n in range(4)]
    assert {ran.outcome for ran in first + second} == {Outcome.DONE}
    assert await job.look() == []
    assert await finished(world) == [(DAY + timedelta(days=n), True) for n in range(4)]


async def test_a_day_is_not_cleared_before_its_statement_can_be_ready(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY)
    world.now -= timedelta(minutes=2)
    assert await a_job(world).look() == []
    world.now += timedelta(minutes=2)
    assert len(await a_job(world).look()) == 1


async def test_a_day_that_a_person_asked_for_again_is_run_again_and_one_that_is_not_over_waits(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY)
    job = a_job(world)
    await job.look()
    async with world.engine.begin() as connection:
        for day in (DAY, DAY + timedelta(days=1)):
            await job_runs.reopen(connection, JOB, day)
    assert [(ran.day, ran.outcome) for ran in await job.look()] == [(DAY, Outcome.DONE)]
    assert await job.look() == []
    assert await finished(world) == [(DAY, True), (DAY + timedelta(days=1), False)]
    at_day(world, DAY + timedelta(days=1))
    assert [ran.day for ran in await job.look()] == [DAY + timedelta(days=1)]


async def test_a_suspect_day_stops_its_provider_until_a_person_lets_it_go_on(world: Cleared) -> None:
    await world.paid()
    world.has(*(line(LineKind.CHARGE, 100, order_ref=f"order-{n}") for n in range(1_200)))
    at_day(world, DAY + timedelta(days=1))
    job = a_job(world)
    assert [ran.outcome for ran in await job.look()] == [Outcome.SUSPECT]
    assert await job.look() == []
    async with world.engine.begin() as connection:
        assert await job_runs.release(connection, JOB, DAY, "ann", "the shop sold elsewhere")
    assert [(ran.day, ran.outcome) for ran in await job.look()] == [
        (DAY, Outcome.DONE),
        (DAY + timedelta(days=1), Outcome.DONE),
    ]


async def test_a_statement_that_is_not_there_is_tried_again_later_and_missed_in_the_end(
    world: Cleared, monkeypatch: Any
) -> None:
    await world.paid()
    world.statement.breaks_after = 0
    at_day(world, DAY)
    job = a_job(world)
    assert [(ran.outcome, ran.reason) for ran in await job.look()] == [(Outcome.WAITING, "timeout")]
    assert await job.look() == [], "not at once"
    assert await world.discrepancies() == []
    world.now = SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.absent_after
    assert [ran.found for ran in await a_job(world).look()] == [{Kind.STATEMENT_MISSING: 1}]
    world.statement.breaks_after = None
    await a_job(world).look()
    ((_, state, *_),) = await world.rows(f"SELECT kind, state FROM discrepancies WHERE subject = 'day:{DAY}'")
    assert state == State.CLOSED


async def test_a_person_who_asks_has_a_statement_that_was_not_there_tried_again_at_once_and_once(
    world: Cleared,
) -> None:
    await world.paid()
    world.statement.fails_with = "http_404"
    at_day(world, DAY)
    job = a_job(world)
    assert [ran.outcome for ran in await job.look()] == [Outcome.WAITING]
    assert await job.look() == []
    asked = job_runs.Request("k-1", "ann", "they have sent it", world.now)
    async with world.engine.begin() as connection:
        assert await job_runs.ask(connection, JOB, DAY, asked)
    assert [ran.outcome for ran in await job.look()] == [Outcome.WAITING]
    assert await job.look() == []


async def test_a_day_without_a_statement_keeps_later_days_waiting(world: Cleared, monkeypatch: Any) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    monkeypatch.setattr(world.statement, "pages", no_file(world, DAY))
    at_day(world, DAY + timedelta(days=1))
    assert [(ran.day, ran.outcome) for ran in await a_job(world).look()] == [(DAY, Outcome.WAITING)]
    assert await finished(world) == [(DAY, False), (DAY + timedelta(days=1), False)]


async def test_a_line_that_was_added_late_is_read_with_the_next_day(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has()
    at_day(world, DAY)
    await a_job(world).look()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.LATE, State.EXPECTED)]
    world.has(charge(payment))
    at_day(world, DAY + timedelta(days=1))
    await a_job(world).look()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.LATE, State.CLOSED)]


async def test_an_empty_day_without_a_file_is_cleared_once_the_file_would_be_there(
    world: Cleared, monkeypatch: Any
) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY)
    await a_job(world).look()
    empty = DAY + timedelta(days=1)
    monkeypatch.setattr(world.statement, "pages", no_file(world, empty))
    at_day(world, empty)
    assert [ran.outcome for ran in await a_job(world).look()] == [Outcome.WAITING]
    world.now = SETTLEMENT.business_day(empty)[1] + SETTLEMENT.absent_after
    ran = (await a_job(world).look())[0]
    assert (ran.day, ran.outcome, ran.reason) == (empty, Outcome.DONE, "nothing moved, and there is no file")


async def test_a_day_that_a_person_ran_before_keeps_no_earlier_day_from_being_cleared(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    later = DAY + timedelta(days=2)
    at_day(world, later)
    async with world.engine.begin() as connection:
        await job_runs.open_runs(connection, JOB, [later])
    assert [ran.day for ran in await a_job(world).look()] == [DAY, DAY + timedelta(days=1), later]


async def test_days_before_the_first_that_is_to_be_cleared_are_left_alone(world: Cleared) -> None:
    await world.paid()
    at_day(world, DAY + timedelta(days=2))
    ran = await a_job(world, since=DAY + timedelta(days=2)).look()
    assert [one.day for one in ran] == [DAY + timedelta(days=2)]
    assert await world.discrepancies() == [], "a movement of theirs is not missing: nobody reads their statements"


async def test_a_fault_in_our_code_for_one_provider_keeps_no_other_waiting(world: Cleared, monkeypatch: Any) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY)

    async def broken(_name: str) -> Any:
        raise KeyError("amount")

    job = a_job(world)
    clear = job._clear
    monkeypatch.setattr(job, "_providers", {"broken": world.statement, PROVIDER: world.statement})
    monkeypatch.setattr(job, "_clear", lambda name: broken(name) if name == "broken" else clear(name))
    assert [ran.day for ran in await job.look()] == [DAY]


async def test_one_process_clears_a_provider_at_a_time(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    at_day(world, DAY)
    async with writing(world.engine, Lock.CLEARING, PROVIDER):
        assert await a_job(world).look() == []
    assert len(await a_job(world).look()) == 1


async def test_what_payments_were_told_is_looked_at_again_without_another_statement(world: Cleared) -> None:
    (payment,) = await world.paid()
    refund = await world.refund(payment, 100)
    back = line(LineKind.REFUND_UNDONE, 100, own_id=refund)
    world.has(charge(payment), line(LineKind.REFUND, -100, own_id=refund), back)
    at_day(world, DAY)
    await world.understood()
    job = a_job(world)
    await job.look()
    await world.tell_payments()
    pages = len(world.statement.pages_read)
    assert await job.look() == []
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.REFUND_UNDONE, State.CLOSED)]
    assert len(world.statement.pages_read) == pages


async def test_workers_of_the_last_release_are_told_nothing_that_they_do_not_understand(world: Cleared) -> None:
    (payment,) = await world.paid()
    refund = await world.refund(payment, 100)
    world.has(
        charge(payment), line(LineKind.REFUND, -100, own_id=refund), line(LineKind.REFUND_UNDONE, 100, own_id=refund)
    )
    at_day(world, DAY)
    await a_job(world).look()
    assert world.sent() == []


def no_file(world: Cleared, day: date) -> Any:
    pages = world.statement.pages

    async def answer(part: Part, after: str | None = None) -> Any:
        if part.day == day:
            raise StatementUnavailable("http_404")
        async for page in pages(part, after):
            yield page

    return answer
