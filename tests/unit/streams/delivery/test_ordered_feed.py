import asyncio
from collections.abc import Collection

import pytest

from runtime.kafka.record import Incoming
from streams.delivery.ordered_feed import GAP_PATIENCE_S, PAUSE_AT, RESUME_AT, OrderedFeed


class ProcessExited(Exception):
    pass


def exit_process(reason: str) -> None:
    raise ProcessExited(reason)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def message(offset: int, partition: int = 0) -> Incoming:
    return Incoming(partition, offset, b"key", b"value")


async def started(positions: dict[int, int], clock: Clock | None = None) -> OrderedFeed:
    feed = OrderedFeed("payments", "topic", exit_process, clock or Clock())

    async def load() -> dict[int, int]:
        return positions

    await feed.restore(load)
    return feed


async def taken(feed: OrderedFeed, limit: int = 100) -> list[int]:
    return [m.offset for m in await feed.take(limit)]


async def test_messages_come_out_in_order_in_batches_as_large_as_allowed():
    feed = await started({0: 5})
    for offset in (5, 6, 7):
        await feed.offer(message(offset))
    assert await taken(feed, 2) == [5, 6]
    assert await taken(feed, 2) == [7]


async def test_what_was_processed_before_is_skipped():
    feed = await started({0: 5})
    for offset in (3, 4, 5, 5):
        await feed.offer(message(offset))
    assert await taken(feed) == [5]


async def test_a_partition_that_is_not_ours_is_ignored():
    feed = await started({0: 0})
    await feed.offer(message(0, partition=1))
    assert feed.waiting == 0


async def test_an_offset_that_stays_missing_ends_the_process():
    clock = Clock()
    feed = await started({0: 5}, clock)
    await feed.offer(message(6))
    clock.now = GAP_PATIENCE_S + 1
    with pytest.raises(ProcessExited, match="offset 5 is missing"):
        await feed.offer(message(7))


async def test_events_fetched_before_a_seek_may_run_ahead_of_the_missing_one():
    clock = Clock()
    feed = await started({0: 5}, clock)
    await feed.offer(message(9))
    for offset in (5, 6):
        await feed.offer(message(offset))
    clock.now = GAP_PATIENCE_S + 1
    for offset in (7, 8, 9):
        await feed.offer(message(offset))
    assert await taken(feed) == [5, 6, 7, 8, 9]


async def test_a_new_assignment_starts_over_and_forgets_what_was_buffered():
    feed = await started({0: 5})
    await feed.offer(message(5))

    async def load() -> dict[int, int]:
        return {1: 2}

    await feed.restore(load)
    await feed.offer(message(6))
    await feed.offer(message(2, partition=1))
    assert [(m.partition, m.offset) for m in await feed.take(10)] == [(1, 2)]


async def test_positions_are_not_read_while_a_batch_is_being_worked_on():
    feed = await started({0: 0})
    in_batch, finish = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def process(_batch: list[Incoming]) -> None:
        in_batch.set()
        await finish.wait()
        order.append("batch done")

    async def load() -> dict[int, int]:
        order.append("positions read")
        return {0: 1}

    worker = asyncio.create_task(feed.work(10, process))
    await feed.offer(message(0))
    await in_batch.wait()
    restoring = asyncio.create_task(feed.restore(load))
    await asyncio.sleep(0)
    finish.set()
    await restoring
    worker.cancel()
    assert order == ["batch done", "positions read"]


class TestPause:
    """A feed whose messages wait for long stops the fetching of its partitions."""

    async def feed(self) -> tuple[OrderedFeed, set[int]]:
        stopped: set[int] = set()

        def pause(partitions: Collection[int], *, stop: bool) -> None:
            (stopped.update if stop else stopped.difference_update)(partitions)

        feed = OrderedFeed("renewals", "topic", exit_process, Clock(), pause)

        async def load() -> dict[int, int]:
            return {0: 0, 1: 0}

        await feed.restore(load)
        return feed, stopped

    async def test_a_partition_is_stopped_when_many_messages_wait_and_goes_on_when_few_do(self):
        feed, stopped = await self.feed()
        for offset in range(PAUSE_AT - 1):
            await feed.offer(message(offset))
        assert stopped == set()
        await feed.offer(message(PAUSE_AT - 1))
        assert stopped == {0}
        await feed.offer(message(0, partition=1))
        assert stopped == {0, 1}
        await feed.take(PAUSE_AT - RESUME_AT)
        assert stopped == {0, 1}
        await feed.take(1)
        assert stopped == set()

    async def test_what_was_fetched_before_still_arrives(self):
        feed, _ = await self.feed()
        for offset in range(2 * PAUSE_AT):
            await feed.offer(message(offset))
        assert len(await feed.take(2 * PAUSE_AT)) == 2 * PAUSE_AT

    async def test_a_new_assignment_starts_without_stopped_partitions(self):
        feed, stopped = await self.feed()
        for offset in range(PAUSE_AT):
            await feed.offer(message(offset))

        async def load() -> dict[int, int]:
            return {0: 0}

        await feed.restore(load)
        assert stopped == set()
