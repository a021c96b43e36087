"""A day is cleared: statement and books on a real Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.clearing import naming
from billing.clearing.discrepancies import Event, Kind, Resolution, State
from billing.messages import CorrectPayment, FollowUpOperation, RecordMovement
from providers.statements import LineKind
from reconciliation.clearing.run import Outcome
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import NOW, PROVIDER


@pytest.fixture
async def world(database: Any) -> Cleared:
    return Cleared(database)


async def test_a_day_that_agrees_leaves_no_discrepancy_and_a_second_run_changes_nothing(world: Cleared) -> None:
    payments = await world.paid(5)
    refund = await world.refund(payments[0], 100)
    world.has(*map(charge, payments), line(LineKind.REFUND, -100, own_id=refund), line(LineKind.PAYOUT, -5))
    ran = await world.run()
    assert (ran.outcome, ran.lines, ran.loose, ran.taken.new) == (Outcome.DONE, 7, 0, 7)
    again = await world.run()
    assert (again.taken.new, again.taken.changed, again.taken.withdrawn, again.found) == (0, 0, 0, {})
    assert await world.discrepancies() == []
    assert world.sent() == []


async def test_the_planner_knows_the_lines_before_they_are_compared(world: Cleared) -> None:
    world.has(*map(charge, await world.paid(5)))
    await world.run()
    assert await world.rows("SELECT reltuples::integer FROM pg_class WHERE relname = 'statement_lines'") == [(5,)]


async def test_each_difference_has_its_name_and_a_second_run_changes_nothing(world: Cleared) -> None:
    missing, wrong, foreign, twice, fine = await world.paid(5)
    world.has(
        msgspec.structs.replace(charge(wrong), amount=wrong.captured - 1),
        msgspec.structs.replace(charge(foreign), currency="USD"),
        charge(twice),
        msgspec.structs.replace(charge(twice), line_ref="again"),
        charge(fine),
        line(LineKind.CHARGE, 700, own_id=uuid4(), order_ref="nobody's"),
        line(LineKind.OTHER, 3, raw_type="Mystery"),
    )
    await world.run()
    found = sorted(kind for kind, *_ in await world.discrepancies())
    assert found == [
        Kind.AMOUNT_DIFFERS, Kind.CURRENCY_DIFFERS, Kind.LATE, Kind.TAKEN_TWICE, Kind.UNCLASSIFIED_LINE,
        Kind.UNKNOWN_PAYMENT,
    ]  # fmt: skip
    before = await world.rows("SELECT * FROM discrepancies ORDER BY id")
    events = await world.rows("SELECT count(*) FROM discrepancy_events")
    await world.run()
    assert await world.rows("SELECT * FROM discrepancies ORDER BY id") == before
    assert await world.rows("SELECT count(*) FROM discrepancy_events") == events
    assert missing.captured > 0


async def test_a_movement_that_is_late_is_expected_then_missed_and_closes_when_its_line_comes(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has()
    await world.run()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.LATE, State.EXPECTED)]
    overdue = DAY + timedelta(days=SETTLEMENT.late + 1)
    world.now = SETTLEMENT.business_day(overdue)[1] + timedelta(hours=13)
    await world.run(overdue)
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.MISSING_AT_PROVIDER, State.OPEN)]
    assert len(world.sent()) == 1, "the payment asks its provider"
    following = overdue + timedelta(days=1)
    world.now += timedelta(days=1)
    world.has(charge(payment), day=following)
    await world.run(following)
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.MISSING_AT_PROVIDER, State.CLOSED)]


async def test_a_statement_that_breaks_off_is_read_on_from_where_it_stopped(world: Cleared) -> None:
    payments = await world.paid(5)
    world.has(*map(charge, payments))
    world.statement.breaks_after = 1
    assert (await world.run()).outcome is Outcome.WAITING
    assert await world.discrepancies() == []
    world.statement.breaks_after = None
    ran = await world.run()
    assert (ran.outcome, ran.lines) == (Outcome.DONE, 5)
    assert world.statement.pages_read == [None, "2", "4"]


async def test_a_line_that_changes_or_goes_after_it_agreed_is_named(world: Cleared) -> None:
    one, other = await world.paid(2)
    world.has(charge(one), charge(other))
    await world.run()
    world.has(msgspec.structs.replace(charge(one), amount=1))
    ran = await world.run()
    assert (ran.taken.changed, ran.taken.withdrawn) == (1, 1)
    assert sorted(d[0] for d in await world.discrepancies()) == [Kind.LINE_CHANGED, Kind.LINE_WITHDRAWN]
    world.has(charge(one), charge(other))
    await world.run()
    assert {d[1] for d in await world.discrepancies()} == {State.CLOSED}


async def test_a_withdrawn_line_closes_once_the_books_have_taken_its_movement_back(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    await world.run()
    world.has()
    assert (await world.run()).found == {Kind.LINE_WITHDRAWN: 1}
    (capture,) = (operation for operation in payment.operations if operation.type == "CAPTURE")
    await world.deliver(await world.agent(), CorrectPayment(payment.id, uuid4(), capture.id, False, "ann", "letter"))
    await world.check_open()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.LINE_WITHDRAWN, State.CLOSED)]


async def test_two_equal_lines_are_two_lines(world: Cleared) -> None:
    fee = line(LineKind.FEE, 0, fee=5)
    world.has(fee, fee)
    ran = await world.run()
    assert (ran.lines, (await world.run()).taken.changed) == (2, 0)


async def test_a_wrong_file_opens_one_discrepancy_and_asks_nobody_until_a_person_believes_it(world: Cleared) -> None:
    await world.paid(1)
    world.has(*(line(LineKind.CHARGE, 100, order_ref=f"order-{n}") for n in range(1_200)))
    ran = await world.run()
    assert ran.outcome is Outcome.SUSPECT
    assert [d[0] for d in await world.discrepancies()] == [Kind.STATEMENT_SUSPECT]
    assert world.sent() == []
    believed = await world.run(believe=True)
    assert believed.found[Kind.UNKNOWN_PAYMENT] == 1_200


async def test_the_file_of_another_day_is_doubted_although_each_of_its_lines_is_ours(
    world: Cleared, monkeypatch: Any
) -> None:
    monkeypatch.setattr(naming, "SUSPECT_LEAST", 2)
    lines = [charge(payment) for payment in await world.paid(3)]
    world.has(*lines)
    await world.run()
    await world.paid(3, at=NOW + timedelta(days=1))
    day = next_day(world, DAY)
    world.has(*lines, day=day)
    assert (await world.run(day)).outcome is Outcome.SUSPECT
    assert world.sent() == []


async def test_lines_of_payments_of_ours_are_not_doubted_although_the_books_lack_them(
    world: Cleared, monkeypatch: Any
) -> None:
    monkeypatch.setattr(naming, "EMPTY_SIDE", 2)
    payments = await world.unpaid(3)
    world.has(*(line(LineKind.CHARGE, 59_900, own_id=payment.charge.id) for payment in payments))
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.DONE, {Kind.MISSING_HERE: 3})


async def test_a_movement_of_the_last_minutes_is_left_for_the_next_run(world: Cleared) -> None:
    """Others in its batch may be under way to Postgres still."""
    end = SETTLEMENT.business_day(DAY)[1]
    await world.paid(at=end - timedelta(minutes=1))
    world.has()
    world.now = end + timedelta(minutes=1)
    assert (await world.run()).found == {}
    world.now += timedelta(minutes=5)
    assert (await world.run()).found == {Kind.LATE: 1}


async def test_a_statement_whose_staged_lines_were_lost_is_read_from_its_start(world: Cleared) -> None:
    world.has(*map(charge, await world.paid(5)))
    world.statement.breaks_after = 2
    await world.run()
    async with world.engine.begin() as connection:
        await connection.execute(text("DELETE FROM statement_staging"))
    world.statement.breaks_after = None
    ran = await world.run()
    assert (ran.outcome, ran.found) == (Outcome.WAITING, {})
    assert ((await world.run()).outcome, await world.discrepancies()) == (Outcome.DONE, [])


async def test_of_two_equal_refunds_each_line_is_that_of_one(world: Cleared) -> None:
    (payment,) = await world.paid()
    for _ in range(2):
        await world.refund(payment, 100)
    order = str(payment.charge.id)
    world.has(charge(payment), *(line(LineKind.REFUND, -100, order_ref=order) for _ in range(2)))
    assert (await world.run()).found == {Kind.AMBIGUOUS: 2, Kind.LATE: 2}


async def test_the_history_of_a_discrepancy_cannot_be_changed(world: Cleared) -> None:
    world.has(line(LineKind.CHARGE, 100, order_ref="nobody's"))
    await world.run()
    with pytest.raises(Exception, match="never changed"):
        await world.rows("DELETE FROM discrepancy_events")


def next_day(world: Cleared, day: date) -> date:
    world.now += timedelta(days=1)
    return day + timedelta(days=1)


async def test_a_refund_that_came_back_is_undone_by_its_payment_and_closes_when_it_has(world: Cleared) -> None:
    (payment,) = await world.paid()
    refund = await world.refund(payment, 100)
    back = line(LineKind.REFUND_UNDONE, 100, own_id=refund)
    world.has(charge(payment), line(LineKind.REFUND, -100, own_id=refund), back)
    assert (await world.run()).found == {Kind.REFUND_UNDONE: 1}
    assert [type(m).__name__ for m in world.sent()] == ["UndoRefund"]
    await world.tell_payments()
    await world.check_open()
    assert await world.discrepancies() == [(Kind.REFUND_UNDONE, State.CLOSED, 0, 0)]
    assert (await world.payment(payment.id)).refunded == 0


async def test_a_chargeback_is_told_although_the_process_died_before_it_was(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment), line(LineKind.CHARGEBACK, -40, own_id=payment.charge.id, provider_ref="case-1"))
    publish, world.kafka.publish = world.kafka.publish, _dies  # type: ignore[method-assign]
    with pytest.raises(Died):
        await world.run()
    world.kafka.publish = publish  # type: ignore[method-assign]
    await world.run()
    assert [type(m).__name__ for m in world.sent()] == ["RecordChargeback"]
    await world.tell_payments()
    await world.check_open()
    assert await world.discrepancies() == [(Kind.CHARGEBACK, State.CLOSED, -40, -40)]
    assert (await world.payment(payment.id)).charged_back == 40


async def test_a_payment_is_told_once_a_day_and_after_three_days_a_person_decides(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(msgspec.structs.replace(charge(payment), amount=payment.captured - 1))
    day, told_so_far = DAY, []
    for _ in range(5):
        await world.run(day)
        await world.run(day)
        told_so_far.append(len(world.sent()))
        ((_, state, *_),) = await world.discrepancies()
        day = next_day(world, day)
        world.has(day=day)
    assert told_so_far == [1, 2, 3, 3, 3]
    assert state == State.PERSON


async def test_who_dies_before_the_payment_is_told_tells_it_again(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(msgspec.structs.replace(charge(payment), amount=1))
    publish, world.kafka.publish = world.kafka.publish, _dies  # type: ignore[method-assign]
    with pytest.raises(Died):
        await world.run()
    world.kafka.publish = publish  # type: ignore[method-assign]
    await world.run()
    assert len(world.sent()) == 1
    assert await world.rows("SELECT asked FROM discrepancies") == [(1,)]


async def test_a_refund_made_by_hand_asks_the_payment_and_closes_when_it_is_booked(world: Cleared) -> None:
    (payment,) = await world.paid()
    by_hand = line(LineKind.REFUND, -30, order_ref=str(payment.charge.id), provider_ref="refund-9")
    world.has(charge(payment), by_hand)
    assert (await world.run()).found == {Kind.MISSING_HERE: 1}
    (question,) = world.sent()
    assert isinstance(question, FollowUpOperation)
    assert (question.payment_id, question.on_demand) == (payment.id, True)
    recorded = RecordMovement(
        payment.id, PROVIDER, by_hand.line_ref, "REFUND", 30, "ann", "seen", provider_ref="refund-9"
    )
    await world.deliver(await world.agent(), recorded)
    await world.check_open()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.MISSING_HERE, State.CLOSED)]


@pytest.mark.parametrize("clocks_apart", [timedelta(seconds=2), timedelta(seconds=-2)])
async def test_at_the_cut_off_both_days_agree_although_the_clocks_differ(
    world: Cleared, clocks_apart: timedelta
) -> None:
    cut_off = SETTLEMENT.business_day(DAY)[1]
    for second in (-1, 1):
        theirs = cut_off + timedelta(seconds=second)
        (payment,) = await world.paid(at=theirs + clocks_apart)
        day = SETTLEMENT.day_of(theirs)
        world.statement.lines.setdefault(day, []).append(charge(payment, at=theirs))
    ran = await world.run()
    late = clocks_apart < timedelta()
    assert ran.found == ({Kind.LATE: 1} if late else {}), "ours of before the cut-off, theirs of after it"
    await world.run(next_day(world, DAY))
    assert [d[1] for d in await world.discrepancies()] == ([State.CLOSED] if late else [])
    assert world.sent() == []


async def test_a_claim_that_no_statement_confirms_opens_again(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment), msgspec.structs.replace(charge(payment), line_ref="again"))
    await world.run()
    confirm_by = DAY + timedelta(days=1)
    await world.decide(Event.RESOLVED, resolution=Resolution.REFUNDED_AT_PROVIDER, confirm_by=confirm_by)
    day = next_day(world, DAY)
    world.has(day=day)
    await world.run(day)
    assert [d[1] for d in await world.discrepancies()] == [State.RESOLVED], "there is time until then"
    day = next_day(world, day)
    world.has(day=day)
    await world.run(day)
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.TAKEN_TWICE, State.PERSON)]


async def test_what_is_written_off_stays_closed_until_it_changes(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(msgspec.structs.replace(charge(payment), amount=payment.captured - 1))
    await world.run()
    await world.decide(Event.SETTLED, resolution=Resolution.WRITTEN_OFF)
    await world.run()
    assert [d[1] for d in await world.discrepancies()] == [State.CLOSED]
    world.has(msgspec.structs.replace(charge(payment), amount=payment.captured - 2))
    await world.run()
    assert [d[1] for d in await world.discrepancies()] == [State.OPEN]


async def test_a_run_that_slept_through_its_lock_writes_nothing(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has(msgspec.structs.replace(charge(payment), amount=1))
    async with writing(world.engine, Lock.CLEARING, PROVIDER) as connection:
        assert connection is not None
        async with connection.begin():
            ((backend,),) = (await connection.execute(text("SELECT pg_backend_pid()"))).all()
        async with writing(world.engine, Lock.CLEARING, PROVIDER) as other:
            assert other is None, "one run at a time"
        await world.rows(f"SELECT pg_terminate_backend({backend})")
        await until(lambda: world.rows(f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend}"))
        with pytest.raises(DBAPIError):
            await world.on(connection, DAY).run()
    assert await world.discrepancies() == []
    assert (await world.run()).outcome is Outcome.DONE


async def test_lines_that_come_late_for_an_earlier_day_are_read_with_a_later_one(world: Cleared) -> None:
    (payment,) = await world.paid()
    world.has()
    await world.run()
    world.has(charge(payment))
    day = next_day(world, DAY)
    world.has(day=day)
    async with writing(world.engine, Lock.CLEARING, PROVIDER) as connection:
        assert connection is not None
        await world.on(connection, day, again=[DAY]).run()
    assert [d[:2] for d in await world.discrepancies()] == [(Kind.LATE, State.CLOSED)]


class Died(Exception):
    """The process died here."""


async def _dies(*_: Any) -> None:
    raise Died


async def until(there: Callable[[], Awaitable[Any]]) -> None:
    """Wait until nothing is there any more."""
    async with asyncio.timeout(10):
        while await there():
            await asyncio.sleep(0.02)
