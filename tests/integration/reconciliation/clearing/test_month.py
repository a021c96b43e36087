"""A month in which two percent of the movements have each fault of a statement, closed by the answers of a finance person:
what the books and the statements differ by is explained to the minor unit."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, Final

import pytest

from backoffice.clearing.discrepancies import resolve
from backoffice.operators import Operator
from billing.clearing.discrepancies import Kind, Resolution, State
from providers.sandbox.faults import LINE_FAULTS
from providers.settlement import MOSCOW
from reconciliation.clearing.closing import readiness
from reconciliation.clearing.job import ClearingJob, job_name
from reconciliation.clearing.run import Outcome
from reconciliation.metrics import Metrics
from runtime.settings import Settings
from tests.support.clearing_at_provider import PRICE, WORLDS, AtProvider, at_provider

SALES_DAYS: Final = 30
#: Then nothing is sold, and what waits for a statement gets it.
QUIET_DAYS: Final = 20
PAYMENTS: Final = 8
ANN: Final = Operator("ann", "the provider's letter of today")
#: What she decides. Of a stranger's line she believes first that the provider takes it back.
ANSWERS: Final = {
    Kind.UNCLASSIFIED_LINE: Resolution.ACCEPTED,
    Kind.UNKNOWN_PAYMENT: Resolution.NOT_OURS,
}


@pytest.fixture(params=WORLDS)
async def world(request: Any, tmp_path: Any, database: Any) -> AsyncIterator[AtProvider]:
    async with at_provider(database, request.param, tmp_path) as world:
        for seed, fault in enumerate(LINE_FAULTS, 1):
            await world.provider.tell("faults", fault=fault, rate=0.02, seed=seed)
        yield world


async def clear(world: AtProvider, day: date) -> None:
    """The scheduler clears the day; the payments answer; what agrees closes."""
    kafka: Any = world.kafka
    world.now = world.settlement.business_day(day)[1] + world.settlement.ready_after + timedelta(minutes=1)
    job = ClearingJob(world.engine, kafka, {world.name: world.provider.adapter}, Metrics(), now=lambda: world.now)
    (ran,) = [ran for ran in await job.look() if ran.day == day]
    assert ran.outcome is Outcome.DONE
    await world.answer()
    await job.look()


async def decide(world: AtProvider, believed: set[Any]) -> None:
    """The finance person answers what waits for her. ``believed``: what she has decided before."""
    url = world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = Settings(postgres_url=url)
    for id, kind in await world.rows("SELECT id, kind FROM discrepancies WHERE state = 'PERSON'"):
        answer = ANSWERS.get(Kind(kind), Resolution.WRITTEN_OFF)
        if id in believed:
            answer = Resolution.WRITTEN_OFF
        believed.add(id)
        await resolve(settings, ANN, id, answer)


@pytest.mark.long
async def test_a_month_of_faults_is_explained_to_the_minor_unit(world: AtProvider) -> None:
    believed: set[Any] = set()
    days = []
    for number in range(SALES_DAYS + QUIET_DAYS):
        await world.move(timedelta(days=number))
        days.append(world.day)
        for n in range(PAYMENTS if number < SALES_DAYS else 0):
            await world.bought(refund=PRICE // 4 if n % 4 == 0 else 0)
        await clear(world, world.day)
        await decide(world, believed)
    job = job_name(world.name)
    finished = f"SELECT business_date FROM job_runs WHERE job = '{job}' AND finished_at IS NOT NULL ORDER BY 1"
    assert await world.rows(finished) == [(day,) for day in days]
    assert {state for _, state in await world.states()} == {State.CLOSED}
    async with world.engine.connect() as connection:
        found = await readiness(connection, {world.name: world.settlement}, days[-1], MOSCOW)
    assert (found.reasons, {one.unexplained for one in found.tie_outs}) == ((), {0})
    assert await difference(world) == await explained(world) != Counter()
    assert await world.audited() == []


async def difference(world: AtProvider) -> Counter[str]:
    """Currency → by how much payments moved more at the provider than its statements say, minor units."""
    found: Counter[str] = Counter()
    for currency, amount in await world.rows(
        f"""
        SELECT currency, sum(amount)::bigint FROM (
            SELECT currency, amount FROM ledger_entries
            WHERE account = 'clearing:{world.name}' AND source = 'payment'
            UNION ALL
            SELECT currency, -amount FROM statement_lines WHERE withdrawn_at IS NULL
        ) AS sides GROUP BY currency HAVING sum(amount) <> 0
        """
    ):
        found[currency] = amount
    return found


async def explained(world: AtProvider) -> Counter[str]:
    """The same, as a named person decided on it."""
    found: Counter[str] = Counter()
    for currency, other, ours, theirs in await world.rows(
        "SELECT currency, detail ->> 'their_currency', ours, theirs FROM discrepancies WHERE resolution IS NOT NULL"
    ):
        found[currency] += ours or 0
        found[other or currency] -= theirs or 0
    return Counter({currency: amount for currency, amount in found.items() if amount})
