"""What clearing tells others: everything that changed, once by its id, whatever dies in between."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from billing.clearing.discrepancies import Event, Kind, Resolution, State
from billing.messages import Message, decode_envelope
from billing.messages.clearing_events import (
    BookedTotal,
    DayCleared,
    DiscrepancyChanged,
    LostCallbacks,
    PayoutStated,
    StatementTotal,
)
from billing.messages.topics import CLEARING_EVENTS
from billing.signals import signals_for
from billing.vocabulary import PaymentStatus
from providers.statements import LineKind
from reconciliation.clearing import job as clearing_job
from reconciliation.clearing.events import publish_events
from reconciliation.clearing.job import ClearingJob
from reconciliation.metrics import Metrics
from runtime.kafka.publisher import OutboundMessage
from storage.processes.locks import Lock, writing
from tests.support.clearing import DAY, SETTLEMENT, Cleared, charge, line
from tests.support.factories import PROVIDER, a_create, a_payment, opened, shown
from tests.support.streams import Crash, Publisher

NEXT = DAY + timedelta(days=1)


class World(Cleared):
    """Days that are cleared, and the events of that."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.topic = Publisher()

    async def publish(self) -> int:
        publisher: Any = self.topic
        return await publish_events(self.engine, publisher)

    async def told(self) -> list[Any]:
        """Publish; returns what came of it."""
        self.topic.published.clear()
        await self.publish()
        return opened_messages(self.topic.published)


@pytest.fixture
async def world(database: Any) -> World:
    return World(database)


def opened_messages(outputs: Sequence[OutboundMessage]) -> list[Message]:
    return [decode_envelope(bytes(output.value)).open() for output in outputs]


def only(messages: Sequence[Message], kind: type[Any]) -> list[Any]:
    return [message for message in messages if isinstance(message, kind)]


async def test_a_day_tells_both_sides_by_currency_its_fees_and_how_long_movements_took(world: World) -> None:
    first, second, missing = await world.paid(3)
    world.has(
        charge(first, fee=30, method="card"),
        charge(second, fee=20, method="card"),
        line(LineKind.CHARGE, 700, order_ref="nobody's"),
    )
    await world.clear()
    (day,) = only(await world.told(), DayCleared)
    assert (day.provider, day.business_date, day.version, day.state) == (PROVIDER, DAY, 1, "done")
    assert (day.lines, day.loose) == (3, 1)
    assert day.booked == (BookedTotal("RUB", 3, first.captured + second.captured + missing.captured),)
    captured = first.captured + second.captured
    assert day.stated == (
        StatementTotal("charge", "RUB", 2, captured, "RUB", captured, method="card", fee=50, delay_days=0),
        StatementTotal("charge", "RUB", 1, 700, "RUB", 700),
    )
    assert day.discrepancies == {Kind.LATE: 1, Kind.UNKNOWN_PAYMENT: 1}


async def test_a_second_run_that_changes_nothing_tells_nothing(world: World) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment), line(LineKind.PAYOUT, -5))
    await world.clear()
    assert len(await world.told()) == 3
    await world.clear()
    assert await world.told() == []


async def test_a_later_reading_tells_an_earlier_day_again_at_its_next_version(world: World) -> None:
    (payment,) = await world.paid()
    world.has()
    await world.clear()
    await world.told()
    world.has(charge(payment))
    await world.clear(NEXT)
    days = only(await world.told(), DayCleared)
    assert [(d.business_date, d.version, d.lines) for d in days] == [(DAY, 2, 1), (NEXT, 1, 0)]


async def test_the_delay_counts_business_days_from_our_booking_to_the_statement(world: World) -> None:
    (payment,) = await world.paid()
    world.has()
    await world.clear()
    world.has(charge(payment), day=NEXT)
    await world.clear(NEXT)
    (day,) = [d for d in only(await world.told(), DayCleared) if d.business_date == NEXT]
    assert [(total.lines, total.delay_days) for total in day.stated] == [(1, 1)]


async def test_each_version_of_a_discrepancy_is_told_in_order_also_what_people_decide(world: World) -> None:
    world.has(line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await world.clear()
    await world.decide(Event.CLAIMED, owner="ann")
    await world.decide(Event.RESOLVED, resolution=Resolution.NOT_OURS, confirm_by=NEXT)
    world.has()
    await world.clear()
    told = only(await world.told(), DiscrepancyChanged)
    assert [(d.version, d.event, d.previous_state, d.state) for d in told] == [
        (1, Event.NEEDS_PERSON, None, State.PERSON),
        (2, Event.CLAIMED, State.PERSON, State.PERSON),
        (3, Event.RESOLVED, State.PERSON, State.RESOLVED),
        (4, Event.AGREED, State.RESOLVED, State.CLOSED),
    ]
    assert {(d.kind, d.provider, d.currency, d.subject) for d in told} == {
        (Kind.UNKNOWN_PAYMENT, PROVIDER, "RUB", told[0].subject)
    }
    assert [(d.owner, d.actor, d.reason) for d in told[1:3]] == [("ann", "operator:ann", "seen")] * 2
    assert [d.closed_at is not None for d in told] == [False, False, False, True]


async def test_events_that_were_published_before_the_process_died_come_again_under_their_ids(world: World) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment), line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await world.clear()

    class Dying(Publisher):
        async def publish(self, outputs: Sequence[OutboundMessage]) -> None:
            await super().publish(outputs)
            raise Crash

    world.topic = Dying()
    with pytest.raises(Crash):
        await world.publish()
    before = world.topic.published
    world.topic = Publisher()
    await world.publish()
    assert before
    assert [bytes(o.value) for o in world.topic.published] == [bytes(o.value) for o in before]
    assert {o.topic for o in before} == {CLEARING_EVENTS.name}
    assert {o.key for o in before} == {PROVIDER}
    assert len(set(world.topic.ids())) == len(world.topic.ids())
    assert await world.publish() == 0


async def test_events_that_were_not_published_before_the_process_died_are_not_lost(world: World) -> None:
    world.has(line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await world.clear()
    world.topic.crash_on_publish = True
    with pytest.raises(Crash):
        await world.publish()
    world.topic.crash_on_publish = False
    assert await world.publish() == 3
    assert await world.rows("SELECT count(*) FROM clearing_events WHERE published_at IS NULL") == [(0,)]


async def test_a_run_that_dies_before_its_day_is_told_leaves_the_day_to_be_run_again(
    world: World, monkeypatch: Any
) -> None:
    (payment,) = await world.paid()
    world.has(charge(payment))
    note_day = clearing_job.note_day

    async def dies(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(clearing_job, "note_day", dies)
    with pytest.raises(Crash):
        await world.clear()
    monkeypatch.setattr(clearing_job, "note_day", note_day)
    providers: Mapping[str, Any] = {PROVIDER: world.statement}
    publisher: Any = world.kafka
    job = ClearingJob(world.engine, publisher, providers, Metrics(), now=lambda: world.now)
    assert [ran.day for ran in await job.look()] == [DAY]
    assert [d.state for d in only(await world.told(), DayCleared)] == ["done"]


async def test_one_process_publishes_at_a_time(world: World) -> None:
    world.has(line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await world.clear()
    async with writing(world.engine, Lock.CLEARING_EVENTS, CLEARING_EVENTS.name):
        assert await world.publish() == 0
    assert await world.publish() == 3


async def test_callbacks_that_never_came_are_counted_on_the_day_of_the_operation_however_late_that_is_learnt(
    world: World,
) -> None:
    await world.paid(2)
    world.has()
    await world.clear()
    (none,) = only(await world.told(), LostCallbacks)
    assert (none.business_date, none.learnt_by) == (DAY, {})
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(await world.agent(), create, opened(payment), shown(payment, PaymentStatus.CAPTURED))
    await world.clear(NEXT)
    lost = only(await world.told(), LostCallbacks)
    assert [(m.business_date, m.version, m.learnt_by) for m in lost] == [(DAY, 2, {"inquiry": 2}), (NEXT, 1, {})]


async def test_payouts_are_told_one_by_one_and_again_when_they_change_or_go(world: World) -> None:
    payout = line(LineKind.PAYOUT, -5_000, payout_ref="po-1", fee=7)
    failed = line(LineKind.PAYOUT_FAILED, 900)
    world.has(payout, failed)
    await world.clear()
    told = only(await world.told(), PayoutStated)
    assert sorted((p.kind, p.amount, p.fee, p.payout_ref, p.version) for p in told) == [
        ("payout", -5_000, 7, "po-1", 1),
        ("payout_failed", 900, None, None, 1),
    ]
    world.has(msgspec.structs.replace(payout, amount=-4_000))
    await world.clear()
    again = only(await world.told(), PayoutStated)
    assert sorted((p.kind, p.amount, p.withdrawn, p.version) for p in again) == [
        ("payout", -4_000, False, 2),
        ("payout_failed", 900, True, 2),
    ]


async def test_finance_is_told_of_each_discrepancy_once_however_often_its_day_is_run(world: World) -> None:
    await world.paid()
    world.has(line(LineKind.CHARGE, 700, order_ref="nobody's"))
    await world.clear()
    assert await signals(world) == ["finance.discrepancy_found"], "of the line, not of the payment that is only late"
    await world.decide(Event.CLAIMED, "line:", owner="ann")
    await world.clear()
    assert await signals(world) == []


async def test_finance_is_told_once_of_a_statement_that_is_missing_whatever_the_provider_answers(world: World) -> None:
    await world.paid()
    world.now = SETTLEMENT.business_day(DAY)[1] + SETTLEMENT.absent_after
    for reason in ("timeout", "http_500"):
        world.statement.fails_with = reason
        await world.clear()
    told = await world.told()
    assert [d.version for d in only(told, DiscrepancyChanged)] == [1, 2]
    assert [s.routing_key for m in told for s in signals_for(m)] == ["finance.statement_missing"]


async def signals(world: World) -> list[str]:
    return [signal.routing_key for message in await world.told() for signal in signals_for(message)]
