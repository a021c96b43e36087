"""Partitions that come and go, and positions that do not fit the log."""

import asyncio

import pytest
from aiokafka import TopicPartition

from sinks import assignment
from sinks.assignment import PositionBeyondLog
from tests.support.sink_harness import TOPIC, World, failing, until


async def test_a_rebalance_waits_for_the_batch_in_hand_and_its_position() -> None:
    world = World()
    world.log.write(0)
    world.destination.gate.clear()

    async with world.running() as process:
        await world.destination.entered.wait()
        revoking = asyncio.create_task(process.revoke())
        await asyncio.sleep(0)
        assert not revoking.done()
        world.destination.gate.set()
        await revoking
        assert world.positions.stored == {0: 1}


async def test_a_batch_that_outlives_the_rebalance_moves_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "BATCH_PATIENCE_S", 0.01)
    world = World()
    world.log.write(0)
    world.destination.gate.clear()

    async with world.running() as process:
        await world.destination.entered.wait()
        await process.revoke()
        world.destination.gate.set()
        await until(lambda: world.destination.delivered == [0])

    assert world.positions.stored == {0: 0}


async def test_a_stuck_destination_does_not_hold_up_a_rebalance() -> None:
    world = World()
    world.log.write(0)
    world.destination.fail = failing(10**9)

    async with world.running() as process, asyncio.timeout(assignment.BATCH_PATIENCE_S / 2):
        await world.destination.entered.wait()
        await process.revoke()

    assert world.positions.stored == {0: 0}


async def test_records_on_their_way_when_their_partition_is_taken_away_are_not_delivered() -> None:
    world = World()
    process = world.process()
    process.consumer.fetched = process.revoke
    world.log.write(0)
    process.start()
    await process.assign([0])
    await until(lambda: process.consumer.assigned == set() and process.assignment.settled)
    await process.end()

    assert world.destination.tries == []
    assert world.positions.stored == {0: 0}


async def test_the_next_owner_goes_on_where_the_last_one_stored() -> None:
    world = World(partitions=2)
    for number in range(8):
        world.log.write(number, partition=number % 2)
    world.destination.fail = failing(3)

    async with world.running() as one:
        await until(lambda: world.destination.delivered != [])
        await one.revoke()
        await one.assign([0])
        async with world.running(assigned=[1]):
            await until(lambda: world.drained)

    assert sorted(world.destination.delivered) == list(range(8))


async def test_partitions_that_come_back_start_from_postgres_again() -> None:
    world = World()
    for number in range(3):
        world.log.write(number)

    async with world.running() as process:
        await until(lambda: world.drained)
        await process.revoke()
        world.positions.stored[0] = 1
        await process.assign([0])
        await until(lambda: world.drained)

    assert world.destination.delivered == [0, 1, 2, 1, 2]


async def test_a_sink_is_not_ready_before_kafka_has_told_what_is_its_own() -> None:
    world = World()
    process = world.process()
    process.start()
    await process.revoke()
    await until(lambda: not process.assignment.disturbed.is_set())
    assert not process.delivery.ready
    await process.assign([])
    await until(lambda: process.delivery.ready)
    await process.end()


async def test_a_member_without_partitions_is_ready_and_waits() -> None:
    world = World()

    async with world.running(assigned=[]) as process:
        await until(lambda: process.delivery.ready)


async def test_a_position_below_the_log_starts_at_its_beginning_and_tells_how_much_is_gone() -> None:
    world = World()
    for number in range(6):
        world.log.write(number)
    world.log.forget_below(4)
    world.positions.stored[0] = 1

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_missing_offsets_total") == 3

    assert world.destination.delivered == [4, 5]


async def test_offsets_that_kafka_leaves_out_are_told() -> None:
    world = World()
    world.log.write(0)
    world.log.records[0][0].offset = 2

    async with world.running() as process:
        await until(lambda: world.drained)
        assert process.metric("sink_missing_offsets_total") == 2


async def test_a_position_beyond_the_log_stops_the_process_instead_of_skipping_what_comes() -> None:
    world = World()
    world.log.write(0)
    world.positions.stored[0] = 5
    process = world.process()
    process.start()
    await process.assign([0])

    assert isinstance(await process.failure(), PositionBeyondLog)
    assert world.positions.stored == {0: 5}


async def test_records_from_before_a_seek_are_not_delivered_twice() -> None:
    world = World()
    for number in range(3):
        world.log.write(number)

    async with world.running() as process:
        await until(lambda: world.drained)
        process.consumer.seek(TopicPartition(TOPIC, 0), 1)
        world.log.write(3)
        await until(lambda: world.drained)

    assert world.destination.delivered == [0, 1, 2, 3]
