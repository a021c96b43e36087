"""The report of a day, of payments and a statement that were cleared."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.clearing import discrepancies, report
from backoffice.clearing.closing import close_day
from backoffice.clearing.report import Report, as_csv, as_html
from backoffice.operators import InvalidArgument, Operator
from billing.clearing.discrepancies import Resolution
from providers.registry import read_settlements
from providers.statements import LineKind
from reconciliation.clearing.job import ClearingJob
from reconciliation.metrics import Metrics
from runtime.settings import Settings
from storage.clearing.discrepancies import Filters
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import NOW, PROVIDER
from tests.support.ledger import books_begin, post

SETTLEMENTS: Final = read_settlements()
ANN: Final = Operator("ann", "the provider's letter")


@pytest.fixture
async def world(database: AsyncEngine) -> Cleared:
    await books_begin(database, DAY)
    return Cleared(database)


def settings(world: Cleared) -> Settings:
    return Settings(postgres_url=world.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))


async def cleared(world: Cleared) -> None:
    """The scheduler clears the day."""
    providers: Mapping[str, Any] = {PROVIDER: world.statement}
    kafka: Any = world.kafka
    world.now = SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.ready_after
    assert len(await ClearingJob(world.engine, kafka, providers, Metrics(), now=lambda: world.now).look()) == 1


def rows(made: Report, name: str) -> list[dict[str, Any]]:
    """The rows of a section, by column."""
    (section,) = (section for section in made.sections if section.name == name)
    return [dict(zip((column.name for column in section.columns), row, strict=True)) for row in section.rows]


async def test_both_sides_what_differs_and_what_is_late(world: Cleared) -> None:
    agreeing, differing, missing = await world.paid(3)
    world.has(
        charge(agreeing),
        line(LineKind.CHARGE, differing.captured - 500, own_id=differing.charge.id),
        line(LineKind.CHARGE, 7_700, order_ref="of nobody"),
    )
    await cleared(world)
    made = await report.build(settings(world), SETTLEMENTS, DAY, PROVIDER)
    (day,) = rows(made, "providers")
    assert (day["provider"], day["state"], day["lines"], day["movements"]) == (PROVIDER, "cleared", 3, 3)
    (both,) = rows(made, "totals")
    ours, theirs = 3 * agreeing.captured, 2 * agreeing.captured - 500 + 7_700
    assert (both["ours"], both["theirs"], both["difference"]) == (ours, theirs, theirs - ours)
    assert (both["our movements"], both["their lines"], both["currency"]) == (3, 3, "RUB")
    found = {row["kind"]: row for row in rows(made, "discrepancies")}
    assert set(found) == {"amount differs", "unknown payment"}
    assert (found["amount differs"]["payment"], found["amount differs"]["theirs"]) == (
        differing.id,
        differing.captured - 500,
    )
    (late,) = rows(made, "late")
    assert (late["payment"], late["ours"], late["theirs"], late["state"]) == (
        missing.id,
        missing.captured,
        None,
        "expected",
    )
    held = [(row["what"], row["amount"]) for row in rows(made, "roll_forward")]
    assert held == [("held before", 0), ("charge", theirs), ("held after", theirs)]
    (tied,) = rows(made, "tie_out")
    assert (tied["statements"], tied["awaited"], tied["unexplained"]) == (theirs, missing.captured, 0)
    balance = {row["account"]: row["closing"] for row in rows(made, "trial_balance")}
    assert (f"clearing:{PROVIDER}" in balance, sum(balance.values())) == (True, 0)
    assert {s.name for s in made.sections if s.calls} == {"discrepancies"}
    assert made.closed is None


async def test_fees_payouts_and_chargebacks_are_those_of_the_statement(world: Cleared) -> None:
    first, second = await world.paid(2)
    world.has(
        charge(first, fee=280, fee_tax=40, method="bank_card"),
        charge(second, method="bank_card"),
        line(LineKind.CHARGEBACK, -first.captured, order_ref=str(first.charge.id), provider_ref="case-1"),
        line(LineKind.PAYOUT, -90_000, payout_ref="po_1"),
    )
    await cleared(world)
    made = await report.build(settings(world), SETTLEMENTS, DAY, PROVIDER)
    card = next(row for row in rows(made, "fees") if row["method"] == "bank_card")
    assert (card["lines"], card["charged"], card["fee"], card["tax"], card["fee not told"]) == (
        2,
        first.captured * 2,
        280,
        40,
        1,
    )
    assert card["of what was charged"] == f"{100 * 280 / (2 * first.captured):.2f} %"
    (payout,) = rows(made, "payouts")
    assert (payout["reference"], payout["amount"], payout["kind"]) == ("po_1", -90_000, "payout")
    (dispute,) = rows(made, "chargebacks")
    assert (dispute["payment"], dispute["reference"], dispute["amount"]) == (first.id, "case-1", -first.captured)


async def test_a_movement_that_nobody_told_of_is_counted_as_a_lost_callback(world: Cleared) -> None:
    payments = await world.paid(3)
    world.has(*map(charge, payments))
    async with world.engine.begin() as connection:
        for payment, by in zip(payments, ("inquiry", "statement", "callback"), strict=True):
            values = {"id": payment.id, "by": by}
            await connection.execute(text("UPDATE operations SET learnt_by = :by WHERE payment_id = :id"), values)
    await cleared(world)
    lost = rows(await report.build(settings(world), SETTLEMENTS, DAY, PROVIDER), "lost_callbacks")
    assert [(row["learnt by"], row["movements"], row["amount"]) for row in lost] == [
        ("inquiry", 1, payments[0].captured),
        ("statement", 1, payments[1].captured),
    ]


async def test_a_decision_is_shown_until_a_statement_confirms_it(world: Cleared) -> None:
    await world.paid(1)
    world.has(line(LineKind.CHARGE, 7_700, order_ref="of nobody"))
    await cleared(world)
    (one,) = [
        d for d in await discrepancies.listed(settings(world), Filters(provider=PROVIDER), 10) if d.theirs == 7_700
    ]
    await discrepancies.resolve(settings(world), ANN, one.id, Resolution.NOT_OURS)
    (claim,) = rows(await report.build(settings(world), SETTLEMENTS, DAY), "unconfirmed")
    assert (claim["id"], claim["resolution"], claim["theirs"]) == (one.id, "not ours", 7_700)
    assert claim["confirm by"] > DAY


async def test_a_closed_day_says_by_whom_and_what_was_corrected_later(world: Cleared) -> None:
    await world.paid(1)
    closed = await close_day(settings(world), SETTLEMENTS, ANN, DAY, force=True)
    async with world.engine.begin() as connection:
        await post(connection, 333, posted_at=NOW, accounts=(f"fees:{PROVIDER}", f"clearing:{PROVIDER}"))
    made = await report.build(settings(world), SETTLEMENTS, DAY, PROVIDER)
    assert made.closed is not None
    assert ("by ann" in made.closed, closed.hash in made.closed) == (True, True)
    corrected = [(row["corrects"], row["account"], row["amount"]) for row in rows(made, "corrections")]
    assert corrected == [(DAY, f"clearing:{PROVIDER}", -333), (DAY, f"fees:{PROVIDER}", 333)]
    assert rows(await report.build(settings(world), SETTLEMENTS, DAY, "tbank"), "corrections") == []


async def test_a_day_on_which_nothing_ran_is_a_report_too(world: Cleared) -> None:
    made = await report.build(settings(world), SETTLEMENTS, DAY)
    assert {row["state"] for row in rows(made, "providers")} == {"not run"}
    assert b"Nothing moved." in as_html(made)
    assert as_csv(made).decode("utf-8-sig").startswith("Clearing of ")
    with pytest.raises(InvalidArgument, match="paypal"):
        await report.build(settings(world), SETTLEMENTS, DAY, "paypal")
