"""What each provider's statement says wrongly gets its name, and what is right gets none."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from billing.clearing.discrepancies import Kind, State
from reconciliation.clearing.run import Outcome
from storage.clearing import discrepancies
from storage.clearing.discrepancies import Finding
from tests.integration.backoffice.audit.books import damage
from tests.support.clearing_at_provider import PRICE, WORLDS, AtProvider, at_provider

#: Fault → what a run finds of a day with three payments and a refund.
FAULTS: dict[str, dict[Kind, int]] = {
    "register_missing": {Kind.LATE: 1},
    "register_extra": {Kind.UNKNOWN_PAYMENT: 1},
    "register_amount": {Kind.AMOUNT_DIFFERS: 1},
    "register_twice": {Kind.TAKEN_TWICE: 1},
    "register_currency": {Kind.CURRENCY_DIFFERS: 1},
    "register_type": {Kind.LATE: 1, Kind.UNCLASSIFIED_LINE: 1},
    "register_late": {Kind.LATE: 1},
}


@pytest.fixture(params=WORLDS)
async def world(request: Any, tmp_path: Any, database: Any) -> AsyncIterator[AtProvider]:
    async with at_provider(database, request.param, tmp_path) as world:
        yield world


async def sold(world: AtProvider) -> None:
    """Three payments, one of them with a part given back."""
    for refund in (0, 0, 19_900):
        payment = await world.bought(refund)
        assert (payment.captured, payment.refunded) == (PRICE, refund)


async def test_a_day_agrees_to_the_minor_unit(world: AtProvider) -> None:
    await sold(world)
    ran = await world.run()
    assert (ran.outcome, ran.movements, ran.loose, ran.found) == (Outcome.DONE, 4, 0, {})
    again = await world.run()
    assert (again.taken.new, again.taken.changed, again.taken.withdrawn, again.found) == (0, 0, 0, {})


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_a_line_has_its_name_at_every_provider_once(world: AtProvider, fault: str) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.DONE, FAULTS[fault])
    assert (await world.run()).found == {}, "a second run changes nothing"
    await world.cleared(world.day)
    assert await world.audited() == []
    await damage(world.engine, "DELETE FROM discrepancy_events", "DELETE FROM discrepancies")
    assert "clearing_blind" in {kind for kind, _ in await world.audited()}


async def test_lines_of_strangers_have_their_name_charges_and_refunds_alike(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="register_extra", rate=1.0)
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.DONE, {Kind.UNKNOWN_PAYMENT: 4})
    await world.cleared(world.day)
    assert await world.audited() == []


async def test_a_discrepancy_that_nothing_at_the_provider_explains_is_found(world: AtProvider) -> None:
    await sold(world)
    await world.run()
    await world.cleared(world.day)
    assert await world.audited() == []
    ((operation,),) = await world.rows("SELECT id FROM operations WHERE type = 'CAPTURE' LIMIT 1")
    finding = Finding(
        subject=f"operation:{operation}", kind=Kind.AMOUNT_DIFFERS, operation_id=operation,
        payment_id=(await world.rows(f"SELECT payment_id FROM operations WHERE id = '{operation}'"))[0][0],
    )  # fmt: skip
    async with world.engine.begin() as connection:
        await discrepancies.record(connection, world.name, world.day, [finding], world.now, actor="test")
    assert {kind for kind, _ in await world.audited()} == {"clearing_invented"}


@pytest.mark.parametrize(("fault", "lines"), [("chargeback", 1), ("chargeback_won", 2)])
async def test_a_chargeback_has_its_name_where_the_statement_has_it_and_is_booked(
    world: AtProvider, fault: str, lines: int
) -> None:
    await world.provider.tell("faults", fault=fault, count=1)
    payment = await world.bought()
    ran = await world.run()
    lines = 0 if world.name == "yookassa" else lines  # its lists have none
    assert ran.found == ({Kind.CHARGEBACK: lines} if lines else {})
    assert [type(m).__name__ for m in world.told()] == ["RecordChargeback"] * lines
    await world.answer()
    await world.check_open()
    assert {state for _, state in await world.states()} == ({State.CLOSED} if lines else set())
    assert (await world.payment(payment.id)).charged_back == (PRICE if lines == 1 else 0)
    assert (await world.run()).found == {}
    await world.cleared(world.day)
    assert await world.audited() == []


async def test_a_refund_that_came_back_has_its_name_and_is_undone(world: AtProvider) -> None:
    payment = await world.bought(refund=19_900)
    if world.name == "yookassa":  # such a refund is no longer in its list
        await world.run()
    await world.provider.ask("POST", f"/_sandbox/console/{payment.order_ref}", json={"action": "undo_refund"})
    kind = Kind.LINE_WITHDRAWN if world.name == "yookassa" else Kind.REFUND_UNDONE
    assert (await world.run()).found == {kind: 1}
    assert (await world.run()).found == {}
    await world.answer()
    await world.check_open()
    assert {state for _, state in await world.states()} == {State.CLOSED}
    assert (await world.payment(payment.id)).refunded == 0
    await world.cleared(world.day)
    assert await world.audited() == []


async def test_a_refund_in_the_console_has_its_name_and_is_booked(world: AtProvider) -> None:
    payment = await world.bought()
    await world.provider.ask(
        "POST", f"/_sandbox/console/{payment.order_ref}", json={"action": "refund", "amount": 10_000}
    )
    assert (await world.run()).found == {Kind.MISSING_HERE: 1}
    assert (await world.run()).found == {}
    await world.answer()
    await world.check_open()
    assert await world.states() == [(Kind.MISSING_HERE, State.CLOSED)]
    assert (await world.payment(payment.id)).refunded == 10_000
    await world.cleared(world.day)
    assert await world.audited() == []


async def test_a_charge_that_nobody_asked_for_has_its_name(world: AtProvider) -> None:
    await world.bought()
    await world.provider.ask("POST", "/_sandbox/charge", json={"provider": world.name, "amount": PRICE})
    assert (await world.run()).found == {Kind.UNKNOWN_PAYMENT: 1}
    assert (await world.run()).found == {}
    await world.cleared(world.day)
    assert {kind for kind, _ in await world.audited()} == {"charge_unknown"}, (
        "the payment is nobody's; its line is named"
    )


async def test_a_payout_that_is_too_short_has_its_name_where_its_parts_are_listed(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="payout_short", count=1)
    made = await world.provider.ask("POST", f"/_sandbox/payouts/{world.provider.adapter.name}")
    assert made["payout"] is not None
    listed = world.provider.adapter.payout("any", world.day) is not None
    assert (await world.run()).found == ({Kind.PAYOUT_DIFFERS: 1} if listed else {})
    assert (await world.run()).found == {}, "a second run changes nothing"


async def test_a_line_that_comes_with_the_next_day_closes_what_was_late(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="register_late", count=1)
    await world.run()
    assert await world.states() == [(Kind.LATE, State.EXPECTED)]
    await world.run(world.day + timedelta(days=1))
    assert await world.states() == [(Kind.LATE, State.CLOSED)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("register_changed", Kind.LINE_CHANGED), ("register_withdrawn", Kind.LINE_WITHDRAWN)],
)
async def test_what_changes_after_it_agreed_is_named_when_it_is_read_again(
    world: AtProvider, fault: str, kind: Kind
) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    assert (await world.run()).found == {}
    ran = await world.run(world.day + timedelta(days=1), again=(world.day,))
    assert ran.found == {kind: 1}
    assert (await world.run(world.day + timedelta(days=1), again=(world.day,))).found == {}
    await world.cleared(world.day, world.day + timedelta(days=1))
    assert await world.audited() == []
    await damage(world.engine, "DELETE FROM discrepancy_events", "DELETE FROM discrepancies")
    assert "clearing_blind" in {kind for kind, _ in await world.audited()}


async def test_half_of_a_statement_leaves_each_missing_movement_named(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="register_half", count=1)
    assert (await world.run()).found == {Kind.LATE: 2}
    assert (await world.run()).found == {}


async def test_another_fee_is_no_difference_of_a_movement(world: AtProvider) -> None:
    await sold(world)
    await world.provider.tell("faults", fault="register_fee", count=1)
    assert (await world.run()).found == {}


@pytest.mark.parametrize("clocks_apart", [timedelta(seconds=2), timedelta(seconds=-2)])
async def test_around_the_cut_off_both_days_agree_although_the_clocks_differ(
    world: AtProvider, clocks_apart: timedelta
) -> None:
    end, first = world.settlement.business_day(world.day)[1], world.day
    for seconds in (-1, 1):
        await world.move(end - world.clock() + world.ahead + timedelta(seconds=seconds))
        world.ahead += clocks_apart
        await world.bought()
    await world.run(first)
    await world.run(first + timedelta(days=1), again=(first,))
    assert {state for _, state in await world.states()} <= {State.CLOSED}
    assert world.told() == []
    await world.cleared(first, first + timedelta(days=1))
    assert await world.audited() == []


@pytest.mark.parametrize("fault", ["register_absent", "register_truncated", "register_columns"])
async def test_a_statement_that_is_not_whole_is_no_short_day(world: AtProvider, fault: str) -> None:
    await sold(world)
    await world.provider.tell("faults", fault=fault, count=1)
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.WAITING, {})
    world.now += timedelta(minutes=1)
    assert (await world.run()).found == {Kind.STATEMENT_MISSING: 1}
    await world.provider.ask("DELETE", "/_sandbox/faults")
    assert (await world.run()).outcome is Outcome.DONE
    assert await world.states() == [(Kind.STATEMENT_MISSING, State.CLOSED)]
