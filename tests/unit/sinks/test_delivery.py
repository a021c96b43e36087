"""The loop of a sink: everything is delivered, nothing is skipped, and Postgres knows how far."""

import asyncio
from random import Random

import pytest
from aiokafka.errors import CommitFailedError

from runtime.retry import DependencyUnavailable
from sinks import delivery
from sinks.batch import PayloadRejected
from sinks.delivery import TooManyDeadLetters
from sinks.positions import LostPartition
from tests.support.event_factories import a_change, as_message, payment_id
from tests.support.sink_harness import SUBSCRIPTION_TOPIC, TOPIC, Crash, World, failing, until


async def test_events_are_delivered_in_order_and_their_position_stored() -> None:
    world = World()
    for number in range(7):
        world.log.write(number)

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == list(range(7))
    assert world.positions.stored == {0: 7}


async def test_batches_are_bounded_and_say_which_offsets_they_stand_for() -> None:
    world = World(partitions=2, batch_max=3)
    for number in range(4):
        world.log.write(number, partition=number % 2)

    async with world.running():
        await until(lambda: world.drained)

    assert [dict(batch.ranges) for batch in world.destination.batches] == [
        {(TOPIC, 0): (0, 2), (TOPIC, 1): (0, 1)},
        {(TOPIC, 1): (1, 2)},
    ]


async def test_a_batch_waits_a_little_for_more_but_not_once_it_is_full() -> None:
    world = World(batch_max=3, linger_s=60.0)
    world.log.write(0)

    async with world.running() as process:
        await until(lambda: process.consumer.position[0] == 1)
        world.log.write(1)
        world.log.write(2)
        await until(lambda: world.drained)

    assert [batch.contents for batch in world.destination.batches] == [(0, 1, 2)]


async def test_postgres_tells_where_to_start_whatever_kafka_remembers() -> None:
    world = World(committed=5)
    for number in range(6):
        world.log.write(number)
    world.positions.stored[0] = 2

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [2, 3, 4, 5]


async def test_a_crash_between_delivery_and_position_delivers_the_same_again() -> None:
    world = World()
    for number in range(3):
        world.log.write(number)
    world.positions.fail = lambda step: (_ for _ in ()).throw(Crash) if step == "advance" else None

    process = world.process()
    process.start()
    await process.assign([0])
    assert isinstance(await process.failure(), Crash)
    world.positions.fail = lambda step: None
    async with world.running():
        await until(lambda: world.drained)

    first, second = world.destination.batches
    assert first.contents == second.contents == (0, 1, 2)
    assert first.ranges == second.ranges


async def test_an_outage_of_the_destination_is_waited_out_with_the_same_batch() -> None:
    world = World()
    for number in range(3):
        world.log.write(number)
    world.destination.fail = failing(4)

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_retries_total") == 4
        assert process.metric("sink_stuck_seconds") == 0

    assert [batch.contents for batch in world.destination.tries] == [(0, 1, 2)] * 5
    assert world.destination.delivered == [0, 1, 2]


async def test_while_the_destination_is_away_the_position_stays_and_the_metric_shows_it() -> None:
    world = World()
    world.log.write(0)
    world.destination.fail = failing(10**9)

    async with world.running() as process:
        await until(lambda: process.metric("sink_stuck_seconds") > 0)
        assert world.positions.stored == {0: 0}
        assert process.delivery.ready


async def test_an_outage_of_postgres_after_delivery_does_not_deliver_again() -> None:
    world = World()
    world.log.write(0)
    async with world.running():
        await until(lambda: world.drained)
        world.positions.fail = failing(3)
        world.log.write(1)
        await until(lambda: world.drained)

    assert world.destination.delivered == [0, 1]


async def test_an_outage_of_postgres_at_the_start_is_waited_out() -> None:
    world = World()
    world.log.write(0)
    world.positions.fail = failing(3)

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [0]


async def test_a_position_that_another_process_moved_is_left_alone_and_followed() -> None:
    world = World()
    for number in range(6):
        world.log.write(number)

    def take_over() -> None:
        world.destination.fail = lambda: None
        world.positions.stored[0] = 5

    world.destination.fail = take_over
    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_lost_partitions_total") == 1

    assert world.destination.delivered == [0, 1, 2, 5]


async def test_a_position_whose_stored_answer_was_lost_is_not_delivered_again() -> None:
    world = World()
    for number in range(6):
        world.log.write(number)
    fail_once = failing(1)
    world.positions.fail = lambda step: fail_once() if step == "advanced" else None

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [0, 1, 2, 3, 4, 5]


async def test_the_hint_to_kafka_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "COMMIT_EVERY_S", 0.0)
    world = World()
    world.log.write(0)

    async with world.running() as process:
        process.consumer.hint_error = CommitFailedError()
        await until(lambda: world.drained)
        process.consumer.hint_error = None
        world.log.write(1)
        await until(lambda: process.consumer.hints == {0: 2})


async def test_a_message_that_cannot_be_read_goes_aside_and_the_rest_goes_on() -> None:
    world = World()
    world.log.write(0)
    world.log.write_raw(b"\xff not a cloud event")
    world.log.write_raw(None)
    world.log.write(3)

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_dead_letters_total") == 2

    assert world.destination.delivered == [0, 3]
    assert [(offset, value) for offset, value, _ in world.dead_letters.put_aside] == [
        (1, b"\xff not a cloud event"),
        (2, None),
    ]
    assert "not a CloudEvent" in world.dead_letters.put_aside[0][2]


def of_a_later_release() -> bytes:
    _, value = as_message(a_change())
    return value.replace(b"billing.payment.changed.v1", b"billing.payment.changed.v2")


async def test_events_of_an_unknown_type_are_parked_and_are_no_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEAD_LETTER_RUN", 2)
    world = World()
    world.log.write(0)
    for _ in range(4):
        world.log.write_raw(of_a_later_release())
    world.log.write(5)

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_parked_total") == 4

    assert world.destination.delivered == [0, 5]
    assert (world.parking.parked, world.dead_letters.put_aside) == ([1, 2, 3, 4], [])


async def test_events_of_subscriptions_are_delivered_beside_those_of_payments_each_topic_with_its_own_position() -> (
    None
):
    world = World(batch_max=9)
    for number in range(3):
        world.log.write(number)
        world.write_subscription(100 + number)
    world.write_subscription(103)

    async with world.running():
        await until(lambda: world.drained)

    assert sorted(world.destination.delivered) == [0, 1, 2, 100, 101, 102, 103]
    assert world.positions.of_topics == {TOPIC: {0: 3}, SUBSCRIPTION_TOPIC: {0: 4}}


async def test_a_batch_over_both_topics_that_is_lost_is_delivered_again_from_both_positions() -> None:
    world = World(batch_max=9)
    world.log.write(0)
    world.write_subscription(100)
    lost = failing(1, lambda: LostPartition("moved by another process"))
    world.positions.fail = lambda step: lost() if step == "advance" else None

    async with world.running():
        await until(lambda: world.drained)

    first, second = world.destination.batches
    assert first.ranges == second.ranges == {(TOPIC, 0): (0, 1), (SUBSCRIPTION_TOPIC, 0): (0, 1)}


async def test_a_refused_event_is_put_aside_though_another_topic_has_its_partition_and_offset() -> None:
    world = World(batch_max=9)
    world.log.write(0)
    world.write_subscription(100)
    refusing(world, 100)

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [0]
    assert [value for _, value, _ in world.dead_letters.put_aside] == [world.subscriptions.records[0][0].value]


async def test_the_lag_leaves_out_what_a_test_clock_dates() -> None:
    world = World()
    world.write_subscription(100, clock_id=payment_id(1))

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_delivered_total") == 1
        assert process.metric("sink_lag_seconds_count") == 0


async def test_no_position_moves_past_an_event_that_cannot_be_parked_yet() -> None:
    world = World()
    world.log.write_raw(of_a_later_release())
    tries = 0

    def fail() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            assert 0 not in world.positions.stored or world.positions.stored[0] == 0
            raise DependencyUnavailable("postgres")

    world.parking.fail = fail
    async with world.running():
        await until(lambda: world.drained)

    assert world.parking.parked == [0]


async def test_an_event_that_the_destination_can_never_take_goes_aside() -> None:
    world = World()
    for number in range(3):
        world.log.write(number)
    world.refused = {1}

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [0, 2]
    assert [offset for offset, _, _ in world.dead_letters.put_aside] == [1]


async def test_nothing_but_poison_still_moves_the_position() -> None:
    world = World()
    world.log.write_raw(b"poison")

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.tries == []


async def test_a_run_of_poison_stops_the_process_with_the_position_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEAD_LETTER_RUN", 5)
    world = World(batch_max=2)
    world.log.write(0)
    for _ in range(20):
        world.log.write_raw(b"poison")

    process = world.process()
    process.start()
    await process.assign([0])

    assert isinstance(await process.failure(), TooManyDeadLetters)
    assert world.positions.stored[0] == 4
    assert len(world.dead_letters.put_aside) == 3


async def test_poison_between_good_messages_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEAD_LETTER_RUN", 2)
    world = World()
    for number in range(10):
        world.log.write(number)
        world.log.write_raw(b"poison")

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == list(range(10))


async def test_a_batch_that_is_tried_again_counts_its_poison_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEAD_LETTER_RUN", 3)
    world = World(batch_max=2)
    world.log.write_raw(b"poison")
    world.log.write_raw(b"poison")
    lost = failing(1, lambda: LostPartition("dropped once"))
    world.positions.fail = lambda step: lost() if step == "advance" else None
    world.log.write(2)

    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [2]


async def test_a_stop_finishes_the_batch_in_hand() -> None:
    world = World()
    for number in range(9):
        world.log.write(number)
    world.destination.gate.clear()

    async with world.running() as process:
        await world.destination.entered.wait()
        process.delivery.stop()
        world.destination.gate.set()

    assert world.destination.delivered == [0, 1, 2]
    assert world.positions.stored == {0: 3}


async def test_a_stop_during_an_outage_leaves_the_batch_for_the_next_start() -> None:
    world = World()
    world.log.write(0)
    world.destination.fail = failing(10**9)
    async with world.running():
        await world.destination.entered.wait()

    assert world.positions.stored == {0: 0}
    world.destination.fail = lambda: None
    async with world.running():
        await until(lambda: world.drained)

    assert world.destination.delivered == [0]


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_fails_nothing_is_skipped_and_no_position_runs_ahead(seed: int) -> None:
    random = Random(seed)
    world = World(partitions=3, batch_max=4)
    for number in range(60):
        world.log.write(number, partition=random.randrange(3))

    def trouble(*_: object) -> None:
        """Everything below a position has been delivered; then something fails, perhaps."""
        delivered = set(world.destination.delivered)
        for partition, position in world.positions.stored.items():
            below = {r.key for r in world.log.records[partition] if r.offset < position}
            assert below <= {str(payment_id(number)).encode() for number in delivered}
        match random.randrange(12):
            case 0 | 1:
                raise DependencyUnavailable("away")
            case 2:
                raise Crash

    world.destination.fail = trouble
    world.positions.fail = trouble
    process = None
    async with asyncio.timeout(30):
        while not world.drained:
            if process is None or (process.task and process.task.done()):
                if process is not None:
                    assert isinstance(await process.failure(), Crash)
                process = world.process()
                process.start()
                await process.assign(range(3))
            if random.randrange(10) == 0:
                await process.revoke()
                await process.assign(range(3))
            await asyncio.sleep(0.001)
    await process.crash()

    assert set(world.destination.delivered) == set(range(60))


def refusing(world: World, *numbers: int) -> None:
    """The destination takes nothing that one of these payments is in."""

    def look() -> None:
        if set(world.destination.tries[-1].contents) & set(numbers):
            raise PayloadRejected("no such value")

    world.destination.fail = look


async def test_what_the_destination_refuses_goes_aside_and_its_neighbours_are_delivered_in_order() -> None:
    world = World(partitions=2, batch_max=9)
    for number in range(9):
        world.log.write(number, partition=number % 2)
    refusing(world, 3, 4)

    async with world.running():
        await until(lambda: world.drained)

    assert sorted(world.destination.delivered) == [0, 1, 2, 5, 6, 7, 8]
    for parity in (0, 1):
        mine = [number for number in world.destination.delivered if number % 2 == parity]
        assert mine == sorted(mine)
    assert [cause for _, _, cause in world.dead_letters.put_aside] == ["no such value"] * 2
    ranges = [(dict(batch.ranges), batch.contents) for batch in world.destination.tries]
    assert len({str(found) for found, _ in ranges}) == len(ranges), "no two parts stand for the same offsets"
    assert world.positions.stored == {0: 5, 1: 4}


async def test_a_destination_that_refuses_everything_stops_the_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEAD_LETTER_RUN", 3)
    world = World()
    for number in range(5):
        world.log.write(number)
    refusing(world, *range(5))

    process = world.process()
    process.start()
    await process.assign([0])

    assert isinstance(await process.failure(), TooManyDeadLetters)
    assert world.positions.stored == {0: 0}
