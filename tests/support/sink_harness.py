"""A sink with everything around it imitated: Kafka's log, Postgres' positions, the destination, the dead letters."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from billing.errors import InvalidMessage
from runtime.retry import DependencyUnavailable
from sinks.assignment import Assignment
from sinks.batch import Batch, Event
from sinks.delivery import Delivery, SinkSpec
from sinks.metrics import Metrics
from sinks.positions import LostPartition
from tests.support.event_factories import a_change, a_subscription_change, as_message, payment_id

TOPIC = "billing.events"
SUBSCRIPTION_TOPIC = "billing.subscription.events"
PATIENCE_S = 5.0


class Crash(BaseException):
    """The process dies here."""


class NoPause(Random):
    """Retries without a pause."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


class Log:
    """A Kafka topic."""

    def __init__(self, partitions: int = 1, topic: str = TOPIC) -> None:
        self.topic = topic
        self.records: dict[int, list[Any]] = {partition: [] for partition in range(partitions)}
        self.first = dict.fromkeys(range(partitions), 0)

    def write(self, number: int, partition: int = 0) -> None:
        """An event of payment ``number``."""
        key, value = as_message(a_change(payment_id=payment_id(number)))
        self.write_raw(value, partition, key)

    def write_raw(
        self, value: bytes | None, partition: int = 0, key: bytes = b"key", offset: int | None = None
    ) -> None:
        offset = self.end(partition) if offset is None else offset
        record = SimpleNamespace(
            topic=self.topic, partition=partition, offset=offset, key=key, value=value, headers=(("h", b"1"),)
        )
        self.records[partition].append(record)

    def end(self, partition: int) -> int:
        records = self.records[partition]
        return records[-1].offset + 1 if records else self.first[partition]

    def forget_below(self, offset: int, partition: int = 0) -> None:
        """Retention."""
        self.records[partition] = [record for record in self.records[partition] if record.offset >= offset]
        self.first[partition] = offset


class FakeConsumer:
    """A member of a group that reads from ``committed`` until somebody seeks. ``assigned``: partitions of the first topic;
    those of the others come and go with them."""

    def __init__(self, logs: Sequence[Log], committed: int = 0) -> None:
        self._logs = {log.topic: log for log in logs}
        self._position = {TopicPartition(log.topic, n): committed for log in logs for n in log.records}
        self.fetched: Callable[[], Awaitable[None]] | None = None
        """Called once with records on their way, before the loop has them."""
        self.assigned: set[int] = set()
        self.hints: dict[int, int] = {}
        self.hint_error: Exception | None = None

    @property
    def position(self) -> dict[int, int]:
        """Of the first topic."""
        return {tp.partition: offset for tp, offset in self._position.items() if tp.topic == TOPIC}

    def assignment(self) -> Collection[TopicPartition]:
        return {TopicPartition(topic, partition) for topic in self._logs for partition in self.assigned}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._position[partition] = offset

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._logs[tp.topic].first[tp.partition] for tp in partitions}

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._logs[tp.topic].end(tp.partition) for tp in partitions}

    async def getmany(self, *, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0.001)
        found: dict[TopicPartition, list[Any]] = {}
        left = max_records if max_records is not None else 500
        for tp in sorted(self.assignment()):
            records = [r for r in self._logs[tp.topic].records[tp.partition] if r.offset >= self._position[tp]][:left]
            if records:
                left -= len(records)
                self._position[tp] = records[-1].offset + 1
                found[tp] = records
        if found and self.fetched is not None:
            fetched, self.fetched = self.fetched, None
            await fetched()
        return found

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.hint_error is not None:
            raise self.hint_error
        self.hints.update({tp.partition: offset for tp, offset in offsets.items()})


class FakePositions:
    """``stream_positions``. ``fail`` is asked before each step and may raise."""

    def __init__(self) -> None:
        self.of_topics: dict[str, dict[int, int]] = {TOPIC: {}}
        self.fail: Callable[[str], None] = lambda step: None

    @property
    def stored(self) -> dict[int, int]:
        """Those of the first topic."""
        return self.of_topics[TOPIC]

    async def load(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        self.fail("load")
        return {tp: self.of_topics.setdefault(tp.topic, {}).setdefault(tp.partition, 0) for tp in partitions}

    async def advance(self, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
        self.fail("advance")
        if any(self.of_topics[tp.topic][tp.partition] != expected for tp, (expected, _) in moves.items()):
            raise LostPartition("moved by another process")
        for tp, (_, following) in moves.items():
            self.of_topics[tp.topic][tp.partition] = following
        self.fail("advanced")


class FakeDestination:
    """Remembers what it was given. ``fail`` is asked before each batch and may raise; while ``closed_gate`` the
    batch hangs, ``entered`` tells that it does."""

    def __init__(self) -> None:
        self.batches: list[Batch[int]] = []
        self.tries: list[Batch[int]] = []
        self.fail: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    @property
    def delivered(self) -> list[int]:
        """Numbers of the payments, in order of delivery, repeats included."""
        return [number for batch in self.batches for number in batch.contents]

    async def deliver(self, batch: Batch[int]) -> None:
        self.tries.append(batch)
        self.entered.set()
        await self.gate.wait()
        self.fail()
        self.batches.append(batch)

    async def close(self) -> None:
        pass


class FakeDeadLetters:
    """Remembers what was put aside."""

    def __init__(self) -> None:
        self.put_aside: list[tuple[int, bytes, str]] = []

    async def put(self, record: Any, cause: Exception) -> None:
        self.put_aside.append((record.offset, record.value, str(cause)))

    async def close(self) -> None:
        pass


class FakeParking:
    """Remembers what was parked. ``fail`` is asked before and may raise."""

    def __init__(self) -> None:
        self.parked: list[int] = []
        self.fail: Callable[[], None] = lambda: None

    async def put(self, record: Any) -> None:
        self.fail()
        self.parked.append(record.offset)


class World:
    """One Kafka and one Postgres; :meth:`running` is a sink process over them, started as often as one likes."""

    def __init__(self, partitions: int = 1, *, batch_max: int = 3, linger_s: float = 0.0, committed: int = 0) -> None:
        self.log = Log(partitions)
        self.subscriptions = Log(partitions, SUBSCRIPTION_TOPIC)
        self.positions = FakePositions()
        self.destination = FakeDestination()
        self.dead_letters = FakeDeadLetters()
        self.parking = FakeParking()
        self.refused: set[int] = set()
        self._batch_max = batch_max
        self._linger_s = linger_s
        self._committed = committed

    def _translate(self, event: Event) -> int:
        number = event.change.subject_id.int - 1
        if number in self.refused:
            raise InvalidMessage("the destination can never take it")
        return number

    def write_subscription(self, number: int, **fields: Any) -> None:
        """An event of subscription ``number``."""
        key, value = as_message(a_subscription_change(subscription_id=payment_id(number), **fields))
        self.subscriptions.write_raw(value, key=key)

    def process(self) -> "Process":
        spec = SinkSpec(
            "sink.test", (TOPIC, SUBSCRIPTION_TOPIC), self._translate, self.destination, self._batch_max, self._linger_s
        )
        return Process(self, spec)

    @asynccontextmanager
    async def running(self, *, assigned: Collection[int] | None = None) -> Any:
        """A process with all partitions, or those of ``assigned``; stopped at the end."""
        process = self.process()
        process.start()
        await process.assign(self.log.records if assigned is None else assigned)
        try:
            yield process
        finally:
            await process.end()

    @property
    def drained(self) -> bool:
        """Postgres stands at the end of every partition of both topics."""
        return all(
            self.positions.of_topics.get(log.topic, {}).get(partition) == log.end(partition)
            for log in (self.log, self.subscriptions)
            for partition in log.records
        )


class Process:
    """One sink process."""

    def __init__(self, world: World, spec: SinkSpec[int]) -> None:
        self.consumer = FakeConsumer((world.log, world.subscriptions), world._committed)
        self.metrics = Metrics(spec.consumer)
        self.assignment = Assignment(self.consumer, world.positions, self.metrics)
        self.delivery = Delivery(
            spec,
            self.consumer,
            self.assignment,
            world.dead_letters,
            world.parking,
            self.metrics,
            random=NoPause(),
        )
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.delivery.run())

    async def assign(self, partitions: Iterable[int]) -> None:
        """What Kafka does at the end of a rebalance."""
        self.consumer.assigned = set(partitions)
        await self.assignment.on_partitions_assigned(self.consumer.assignment())

    async def revoke(self) -> None:
        """What Kafka does at the start of a rebalance."""
        await self.assignment.on_partitions_revoked(self.consumer.assignment())
        self.consumer.assigned = set()

    async def crash(self) -> None:
        """SIGKILL."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError, Crash):
            await self.task

    async def end(self) -> None:
        """SIGTERM; raises what ended the loop."""
        assert self.task is not None
        self.delivery.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self.task

    async def failure(self) -> BaseException | None:
        """What ended the loop by itself."""
        assert self.task is not None
        await asyncio.wait([self.task], timeout=PATIENCE_S)
        return self.task.exception()

    def metric(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"sink": "sink.test"}) or 0.0


def failing(
    times: int, error: Callable[[], BaseException] = lambda: DependencyUnavailable("away")
) -> Callable[..., None]:
    """A ``fail`` that raises so many times."""
    left = times

    def fail(*_: object) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise error()

    return fail


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)
