"""The audit finds what clearing has not: lines and movements of cleared days without a name, decisions that nothing
confirmed, changes without a history."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text

from backoffice.audit.audit import check_books
from backoffice.audit.clearing import check_clearing
from backoffice.audit.findings import Findings
from billing.clearing.discrepancies import Event, Resolution
from providers.statements import LineKind
from reconciliation.clearing.job import job_name
from runtime.settings import Settings
from storage import job_runs
from storage.inspection.books import moment
from storage.processes.locks import Lock, writing
from tests.integration.backoffice.audit.books import damage
from tests.support.clearing import DAY, Cleared, charge, line
from tests.support.factories import NOW, PROVIDER

JOB = job_name(PROVIDER)


async def found(world: Cleared) -> set[str]:
    findings = Findings()
    async with moment(world.engine) as connection:
        await check_books(connection, findings)
        await check_clearing(connection, Settings(), findings)
    return {violation.kind for violation in findings.violations}


async def finish(world: Cleared, days: int = 1) -> None:
    async with world.engine.begin() as connection:
        for day in (DAY + timedelta(days=n) for n in range(days)):
            await job_runs.open_runs(connection, JOB, [day])
            await job_runs.finish_date(connection, JOB, day, {})


@pytest.fixture
async def world(database: Any) -> Cleared:
    """A cleared day: a payment that agrees, one of which the statement says too little, one without a line, a line of
    nobody's, one of an unknown type."""
    world = Cleared(database)
    fine, wrong, _ = await world.paid(3)
    world.has(
        charge(fine),
        msgspec.structs.replace(charge(wrong), amount=wrong.captured - 1),
        line(LineKind.CHARGE, 700, order_ref="nobody's"),
        line(LineKind.OTHER, 3, raw_type="Mystery"),
        line(LineKind.PAYOUT, -5),
    )
    await world.run()
    await finish(world)
    return world


async def test_a_cleared_day_whose_differences_have_names_is_clean(world: Cleared) -> None:
    assert len(await world.discrepancies()) == 4
    assert await found(world) == set()


DROP = "DELETE FROM discrepancies WHERE subject LIKE '{}%'"
HISTORY = (
    "DELETE FROM discrepancy_events e USING discrepancies d WHERE d.id = e.discrepancy_id AND d.subject LIKE '{}%'"
)


@pytest.mark.parametrize(
    ("kind", "statements"),
    [
        ("line_nowhere", [HISTORY.format("line:"), DROP.format("line:")]),
        ("line_nowhere", ["UPDATE discrepancies SET state = 'CLOSED', closed_at = now() WHERE subject LIKE 'line:%'",
                          "UPDATE discrepancy_events SET state = 'CLOSED'"]),
        ("settled_unequal", [HISTORY.format("operation:"), DROP.format("operation:")]),
        ("settled_unequal", ["UPDATE statement_lines SET currency = 'USD' WHERE operation_id IS NOT NULL"]),
        ("settled_unequal", ["DELETE FROM statement_lines WHERE kind = 'charge'"]),
        ("suspense_unbound", ["DELETE FROM ledger_entries WHERE cause_kind = 'discrepancy'"]),
        ("suspense_unbound", ["UPDATE discrepancies SET theirs = theirs + 1 WHERE subject LIKE 'line:%'"]),
        ("settlement_unposted", ["DELETE FROM ledger_entries WHERE cause_kind = 'statement'"]),
        ("settlement_unposted", ["UPDATE statement_lines SET fee = 9 WHERE kind = 'charge'"]),
        ("discrepancy_history_gap", ["UPDATE discrepancies SET version = version + 1"]),
        ("discrepancy_history_gap", ["UPDATE discrepancies SET state = 'PERSON' WHERE state <> 'PERSON'"]),
        ("discrepancy_history_gap", [HISTORY.format("")]),
    ],
)  # fmt: skip
async def test_each_damage_is_found(world: Cleared, kind: str, statements: list[str]) -> None:
    await damage(world.engine, *statements)
    assert kind in await found(world)


async def test_what_is_compared_while_a_run_is_under_way_is_no_violation(world: Cleared) -> None:
    suspense = "DELETE FROM ledger_entries WHERE cause_kind = 'discrepancy'"
    await damage(world.engine, suspense, HISTORY.format(""), DROP.format(""))
    async with writing(world.engine, Lock.CLEARING, PROVIDER):
        assert await found(world) == set()
    async with world.engine.begin() as connection:
        await job_runs.brake(connection, JOB, DAY, "doubted")
    assert await found(world) == set()
    async with world.engine.begin() as connection:
        await job_runs.release(connection, JOB, DAY, "ann", "seen")
    assert await found(world) == {"line_nowhere", "settled_unequal"}


async def test_a_movement_after_the_last_cleared_day_is_for_the_next_run(world: Cleared) -> None:
    (later,) = await world.paid(at=NOW + timedelta(days=1))
    assert later.captured > 0
    assert await found(world) == set()


async def test_what_a_person_wrote_off_stays_decided(database: Any) -> None:
    world = Cleared(database)
    (payment,) = await world.paid()
    world.has(msgspec.structs.replace(charge(payment), amount=payment.captured - 1))
    await world.run()
    await finish(world)
    await world.decide(Event.SETTLED, resolution=Resolution.WRITTEN_OFF)
    assert await found(world) == set()


async def test_a_decision_that_no_statement_confirmed_in_time_is_found(database: Any) -> None:
    world = Cleared(database)
    world.has(line(LineKind.CHARGE, 700, own_id=uuid4()))
    await world.run()
    await finish(world, days=2)
    confirm_by = DAY + timedelta(days=1)
    await world.decide(Event.RESOLVED, resolution=Resolution.NOT_OURS, confirm_by=confirm_by)
    assert await found(world) == set()
    async with world.engine.begin() as connection:
        await connection.execute(text("UPDATE discrepancies SET confirm_by = confirm_by - 1"))
    assert await found(world) == {"claim_overdue"}
