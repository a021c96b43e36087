"""What clearing books, and how a day ties out: statements, discrepancies and the ledger on a real Postgres."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from billing.clearing.discrepancies import Event, Resolution
from billing.ledger.tie_out import TieOut
from providers.settlement import Tariff
from providers.statements import LineKind
from reconciliation.clearing import closing
from reconciliation.clearing.closing import ACTOR, ClosingJob, readiness
from reconciliation.clearing.job import job_name
from reconciliation.clearing.run import Outcome
from reconciliation.metrics import Metrics
from storage import job_runs
from storage.books.trial_balance import last_closed
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import PROVIDER
from tests.support.ledger import books_begin, post

MOSCOW = "Europe/Moscow"


@pytest.fixture
async def world(database: Any) -> Cleared:
    await books_begin(database, DAY)
    return Cleared(database)


async def held(world: Cleared, by: str = "account") -> dict[str, int]:
    """Account → what clearing posted on it."""
    rows = await world.rows(
        f"SELECT {by}, sum(amount)::bigint FROM ledger_entries WHERE source = 'clearing' GROUP BY 1 HAVING sum(amount) <> 0"
    )
    return dict(rows)


async def cleared(world: Cleared, day: date = DAY) -> None:
    """Run a day, and note that it is done."""
    async with world.engine.begin() as connection:
        await job_runs.open_runs(connection, job_name(PROVIDER), [day])
    ran = await world.run(day)
    assert ran.outcome is Outcome.DONE
    async with world.engine.begin() as connection:
        await job_runs.finish_date(connection, job_name(PROVIDER), day, {})


async def tied(world: Cleared, day: date = DAY) -> TieOut:
    async with world.engine.connect() as connection:
        (found,) = (await readiness(connection, {PROVIDER: SETTLEMENT}, day, MOSCOW)).tie_outs
        return found


async def reasons(world: Cleared, day: date = DAY) -> tuple[str, ...]:
    async with world.engine.connect() as connection:
        return (await readiness(connection, {PROVIDER: SETTLEMENT}, day, MOSCOW)).reasons


async def test_fees_payouts_reserves_and_adjustments_are_booked_once_and_the_day_ties_out(world: Cleared) -> None:
    payments = await world.paid(3)
    world.has(
        *(charge(payment, fee=30, fee_tax=5, method="card") for payment in payments),
        line(LineKind.FEE, -7), line(LineKind.PAYOUT, -1_000), line(LineKind.PAYOUT_FAILED, 400),
        line(LineKind.RESERVE, -50), line(LineKind.RELEASE, 20), line(LineKind.ADJUSTMENT, 3),
    )  # fmt: skip
    await cleared(world)
    clearing = -90 - 7 - 1_000 + 400 - 50 + 20 + 3
    expected = {
        f"fees:{PROVIDER}": 75 + 7, f"fee_tax:{PROVIDER}": 15, f"transit:{PROVIDER}": 600, f"reserve:{PROVIDER}": 30,
        f"adjustments:{PROVIDER}": -3, f"clearing:{PROVIDER}": clearing,
    }  # fmt: skip
    assert await held(world) == expected
    entries = await world.rows("SELECT count(*) FROM ledger_entries")
    await world.run()
    assert await world.rows("SELECT count(*) FROM ledger_entries") == entries
    captured = sum(payment.captured for payment in payments)
    assert await tied(world) == TieOut(
        provider=PROVIDER, currency="RUB", ours=captured + clearing, theirs=captured + clearing
    )
    assert await world.rows("SELECT DISTINCT accounting_date, corrects_date FROM ledger_entries") == [(DAY, None)]


async def test_a_fee_that_changes_later_is_booked_as_the_change_alone_and_one_that_goes_is_taken_back(
    world: Cleared,
) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment, fee=30))
    await cleared(world)
    world.has(charge(payment, fee=33))
    await world.run()
    assert await held(world) == {f"fees:{PROVIDER}": 33, f"clearing:{PROVIDER}": -33}
    world.has(charge(payment))
    await world.run()
    assert await held(world) == {}
    amounts = await world.rows(
        f"SELECT amount FROM ledger_entries WHERE account = 'fees:{PROVIDER}' ORDER BY posted_at, amount DESC"
    )
    assert sorted(amount for (amount,) in amounts) == [-33, 3, 30]


async def test_money_that_was_exchanged_is_booked_in_both_currencies(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment, settled=12, settlement_currency="USD", fee=1))
    await cleared(world)
    rows = await world.rows(
        "SELECT account, trim(currency), sum(amount)::bigint FROM ledger_entries WHERE source = 'clearing' GROUP BY 1, 2"
    )
    clearing, fx = f"clearing:{PROVIDER}", f"fx:{PROVIDER}"
    assert {row[:2]: row[2] for row in rows} == {
        (clearing, "RUB"): -payment.captured, (fx, "RUB"): payment.captured, (clearing, "USD"): 11, (fx, "USD"): -12,
        (f"fees:{PROVIDER}", "USD"): 1,
    }  # fmt: skip
    async with world.engine.connect() as connection:
        found = await readiness(connection, {PROVIDER: SETTLEMENT}, DAY, MOSCOW)
    assert [(one.currency, one.ours, one.theirs, one.unexplained) for one in found.tie_outs] == [
        ("RUB", 0, 0, 0), ("USD", 11, 11, 0),
    ]  # fmt: skip


async def test_what_nobody_can_explain_is_in_suspense_row_by_row_until_it_agrees(world: Cleared) -> None:
    wrong, fine = await world.paid(2)
    stranger = line(LineKind.CHARGE, 700, own_id=uuid4(), order_ref="nobody's")
    world.has(msgspec.structs.replace(charge(wrong), amount=wrong.captured + 9), charge(fine), stranger)
    await cleared(world)
    assert await held(world) == {f"suspense:{PROVIDER}": -709, f"clearing:{PROVIDER}": 709}
    bound = await world.rows(
        "SELECT d.kind, e.amount FROM ledger_entries e JOIN discrepancies d ON d.id::text = e.cause_id"
        f" WHERE e.cause_kind = 'discrepancy' AND e.account = 'suspense:{PROVIDER}' ORDER BY 1"
    )
    assert bound == [("amount_differs", -9), ("unknown_payment", -700)]
    assert (await tied(world)).unexplained == 0
    world.has(charge(wrong), charge(fine))
    await world.run()
    assert await held(world) == {}
    assert (await tied(world)).unexplained == 0


async def test_a_fee_that_is_not_the_contracts_has_its_name_until_it_is_mended(
    world: Cleared, monkeypatch: pytest.MonkeyPatch
) -> None:
    tariffs = {"*": Tariff(basis_points=280), "sbp": Tariff(basis_points=40, fixed=100)}
    capabilities = msgspec.structs.replace(
        world.statement.capabilities, settlement=msgspec.structs.replace(SETTLEMENT, tariffs=tariffs)
    )
    monkeypatch.setattr(world.statement, "capabilities", capabilities, raising=False)
    usual, rounded, fast, wrong = await world.paid(4)
    right = (usual.captured * 280 + 5000) // 10_000
    world.has(
        charge(usual, fee=right, method="card"), charge(rounded, fee=right - 1),
        charge(fast, fee=(fast.captured * 40 + 5000) // 10_000 + 100, method="sbp"), charge(wrong, fee=right + 100),
    )  # fmt: skip
    await cleared(world)
    assert await world.rows("SELECT kind, state, detail ->> 'by_contract', currency FROM discrepancies") == [
        ("fee_differs", "PERSON", str(right), None)
    ]
    assert world.sent() == [], "a payment has nothing to do with it"
    assert (await tied(world)).unexplained == 0
    world.has(
        *(charge(payment, fee=right) for payment in (usual, rounded, wrong)), charge(fast, fee=100, method="card")
    )
    await world.run()
    assert sorted(await world.rows("SELECT state FROM discrepancies")) == [("CLOSED",), ("PERSON",)]


async def test_what_is_written_off_is_an_adjustment(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment), line(LineKind.CHARGE, 700, own_id=uuid4(), order_ref="nobody's"))
    await cleared(world)
    await world.decide(Event.SETTLED, resolution=Resolution.WRITTEN_OFF, owner="ann")
    await world.check_open()
    assert await held(world) == {f"adjustments:{PROVIDER}": -700, f"clearing:{PROVIDER}": 700}
    assert (await tied(world)).unexplained == 0


async def test_a_movement_that_the_statement_has_not_yet_is_awaited_and_one_booked_later_is_named(
    world: Cleared,
) -> None:
    stated, awaited = await world.paid(2)
    world.has(charge(stated))
    await cleared(world)
    found = await tied(world)
    assert (found.ours - found.theirs, found.awaited, found.awaited_count) == (awaited.captured, awaited.captured, 1)
    assert found.unexplained == 0
    following = DAY + timedelta(days=1)
    (later,) = await world.paid(at=SETTLEMENT.business_day(DAY)[1] + timedelta(minutes=1))
    world.has(charge(stated), charge(later))
    world.now += timedelta(days=1)
    world.has(charge(awaited), day=following)
    await world.run(DAY)
    found = await tied(world)
    assert (found.booked_later, found.booked_later_count, found.unexplained) == (later.captured, 1, 0)
    await cleared(world, following)
    found = await tied(world, following)
    assert (found.ours, found.awaited, found.booked_later, found.unexplained) == (found.theirs, 0, 0, 0)


async def test_a_movement_that_no_statement_ever_has_stays_on_our_account_and_is_not_in_suspense(
    world: Cleared,
) -> None:
    (payment,) = await world.paid()
    world.has()
    await cleared(world)
    overdue = DAY + timedelta(days=SETTLEMENT.late + 1)
    world.now = SETTLEMENT.business_day(overdue)[1] + timedelta(hours=13)
    await cleared(world, overdue)
    assert await world.rows("SELECT kind, state FROM discrepancies") == [("missing_at_provider", "OPEN")]
    assert await held(world) == {}
    found = await tied(world, overdue)
    assert (found.ours, found.theirs, found.awaited, found.unexplained) == (payment.captured, 0, payment.captured, 0)


async def test_an_entry_that_no_statement_explains_keeps_the_day_open(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment, fee=30))
    await cleared(world)
    assert await reasons(world) == ()
    async with world.engine.begin() as connection:
        accounts = f"fees:{PROVIDER}", f"clearing:{PROVIDER}"
        await post(connection, 2, accounts=accounts, source="manual", accounting_date=DAY)
    assert await reasons(world) == (f"{PROVIDER}: -2 RUB in minor units are not explained",)


async def test_a_day_is_closed_once_every_statement_is_cleared_and_a_later_change_corrects_it(world: Cleared) -> None:
    (payment,) = await world.paid()
    job = ClosingJob(world.engine, {PROVIDER: SETTLEMENT}, Metrics())
    assert await job.look() == []
    assert any("is not cleared" in reason for reason in await reasons(world))
    world.has(charge(payment, fee=30))
    await cleared(world)
    assert await job.look() == [DAY]
    async with world.engine.connect() as connection:
        link = await last_closed(connection)
    assert link is not None
    assert (link.day.closed_by, [one.theirs for one in link.day.tie_outs]) == (ACTOR, [payment.captured - 30])
    world.has(charge(payment, fee=35))
    await world.run()
    corrections = await world.rows(
        f"SELECT amount, accounting_date > :day, corrects_date FROM ledger_entries WHERE account = 'fees:{PROVIDER}'"
        " AND corrects_date IS NOT NULL".replace(":day", f"DATE '{DAY}'")
    )
    assert corrections == [(5, True, DAY)]
    following = DAY + timedelta(days=1)
    await cleared(world, following)
    assert (await tied(world, following)).unexplained == 0


async def test_a_day_is_not_closed_before_late_callbacks_had_their_time(
    world: Cleared, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    await cleared(world)
    job = ClosingJob(world.engine, {PROVIDER: SETTLEMENT}, Metrics())
    monkeypatch.setattr(closing, "CLOSE_AFTER", timedelta(days=10_000))
    assert await job.look() == []
    monkeypatch.undo()
    assert await job.look() == [DAY]
