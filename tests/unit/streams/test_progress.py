"""The heartbeat of a worker means progress or a known outage."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runtime.kafka.record import Incoming
from streams.delivery.ordered_feed import OrderedFeed
from streams.progress import Progress

TOPICS = ("payments", "requests")


class World:
    """Two feeds of one partition each, a clock, and what Kafka and the retries say."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ends = dict.fromkeys(TOPICS, 0)
        self.outages: dict[str, float] = {}
        self.feeds = {topic: OrderedFeed(topic, topic, self._exit) for topic in TOPICS}
        self.progress = Progress(
            self.feeds, lambda topic, _: self.ends[topic], lambda: self.outages, clock=lambda: self.now
        )

    @staticmethod
    def _exit(reason: str) -> None:
        raise AssertionError(reason)

    async def start(self) -> None:
        async def load() -> dict[int, int]:
            return {0: 0}

        for feed in self.feeds.values():
            await feed.restore(load)

    async def write(self, topic: str, offset: int) -> None:
        self.ends[topic] = offset + 1
        await self.feeds[topic].offer(Incoming(0, offset, None, b""))

    def after(self, seconds: int) -> float:
        """The longest stall, looked at every second."""
        for _ in range(seconds):
            self.now += 1
            stalled = self.progress.stalled_s()
        return max(stalled.values())


@pytest.fixture
async def world() -> World:
    world = World()
    await world.start()
    return world


def working(world: World, topic: str, process: Callable[[list[Incoming]], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(world.feeds[topic].work(10, process))


async def test_a_worker_without_messages_is_not_stalled(world: World) -> None:
    assert world.after(100) == 0


async def test_messages_that_faust_does_not_hand_over_are_a_stall(world: World) -> None:
    world.ends["payments"] = 5

    assert world.after(10) == 9


async def test_an_agent_that_hangs_is_a_stall_though_messages_wait_in_memory(world: World) -> None:
    async def hang(_batch: list[Incoming]) -> None:
        await asyncio.Event().wait()

    task = working(world, "payments", hang)
    await world.write("payments", 0)
    await asyncio.sleep(0)
    await world.write("payments", 1)

    assert world.after(10) == 9
    task.cancel()


async def test_a_feed_that_moves_does_not_hide_another_that_is_stuck(world: World) -> None:
    async def process(_batch: list[Incoming]) -> None:
        return

    task = working(world, "requests", process)
    world.ends["payments"] = 5
    for offset in range(10):
        await world.write("requests", offset)
        await asyncio.sleep(0)
        stalled = world.after(1)

    assert stalled == 9
    assert world.progress.stalled_s()["requests"] == 0
    task.cancel()


async def test_a_known_outage_is_no_stall_and_what_follows_it_is_judged_afresh(world: World) -> None:
    world.ends["payments"] = 5
    world.outages = {"apply batch": 1.0}
    assert world.after(100) == 0

    world.outages = {}
    assert world.after(10) == 10
