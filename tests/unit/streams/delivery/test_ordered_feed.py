import asyncio

import pytest

from runtime.kafka.record import Incoming
from streams.delivery.ordered_feed import GAP_PATIENCE_S, Inlet


class Abandoned(Exception):
    pass


def abandon(reason: str) -> None:
    raise Abandoned(reason)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def message(offset: int, partition: int = 0) -> Incoming:
    return Incoming(partition, offset, b"key", b"value")


async def started(positions: dict[int, int], clock: Clock | None = None) -> Inlet:
    inlet = Inlet("payments", "topic", abandon, clock or Clock())

    async def load() -> dict[int, int]:
        return positions

    await inlet.restore(load)
    return inlet


async def taken(inlet: Inlet, limit: int = 100) -> list[int]:
    return [m.offset for m in await inlet.take(limit)]


async def test_messages_come_out_in_order_in_batches_as_large_as_allowed():
    inlet = await started({0: 5})
    for offset in (5, 6, 7):
        await inlet.offer(message(offset))
    assert await taken(inlet, 2) == [5, 6]
    assert await taken(inlet, 2) == [7]


async def test_what_was_processed_before_is_skipped():
    inlet = await started({0: 5})
    for offset in (3, 4, 5, 5):
        await inlet.offer(message(offset))
    assert await taken(inlet) == [5]


async def test_a_partition_that_is_not_ours_is_ignored():
    inlet = await started({0: 0})
    await inlet.offer(message(0, partition=1))
    assert inlet.waiting == 0


async def test_an_offset_that_stays_missing_ends_the_process():
    clock = Clock()
    inlet = await started({0: 5}, clock)
    await inlet.offer(message(6))
    clock.now = GAP_PATIENCE_S + 1
    with pytest.raises(Abandoned, match="offset 5 is missing"):
        await inlet.offer(message(7))


async def test_events_fetched_before_a_seek_may_run_ahead_of_the_missing_one():
    clock = Clock()
    inlet = await started({0: 5}, clock)
    await inlet.offer(message(9))
    for offset in (5, 6):
        await inlet.offer(message(offset))
    clock.now = GAP_PATIENCE_S + 1
    for offset in (7, 8, 9):
        await inlet.offer(message(offset))
    assert await taken(inlet) == [5, 6, 7, 8, 9]


async def test_a_new_assignment_starts_over_and_forgets_what_was_buffered():
    inlet = await started({0: 5})
    await inlet.offer(message(5))

    async def load() -> dict[int, int]:
        return {1: 2}

    await inlet.restore(load)
    await inlet.offer(message(6))
    await inlet.offer(message(2, partition=1))
    assert [(m.partition, m.offset) for m in await inlet.take(10)] == [(1, 2)]


async def test_positions_are_not_read_while_a_batch_is_being_worked_on():
    inlet = await started({0: 0})
    in_batch, finish = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def process(_batch: list[Incoming]) -> None:
        in_batch.set()
        await finish.wait()
        order.append("batch done")

    async def load() -> dict[int, int]:
        order.append("positions read")
        return {0: 1}

    worker = asyncio.create_task(inlet.work(10, process))
    await inlet.offer(message(0))
    await in_batch.wait()
    restoring = asyncio.create_task(inlet.restore(load))
    await asyncio.sleep(0)
    finish.set()
    await restoring
    worker.cancel()
    assert order == ["batch done", "positions read"]
