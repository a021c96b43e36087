"""The partitions of a sink and their positions. Kafka assigns the partitions, Postgres holds the positions."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from runtime.retry import DependencyUnavailable
from sinks.metrics import Metrics
from sinks.positions import Positions

log = structlog.get_logger(__name__)

#: How long a rebalance waits for the current batch, seconds. After that the batch is dropped, and the next owner
#: delivers it again. Well inside the group's rebalance timeout.
BATCH_PATIENCE_S: Final = 5.0


class PositionBeyondLog(Exception):
    """The position in Postgres is beyond the end of the topic: the topic was recreated or has lost its end. To continue
    would skip messages, so an operator must decide (reset the position, or restore the topic)."""


class Consumer(Protocol):
    """The methods of ``aiokafka.AIOKafkaConsumer`` that a sink uses."""

    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...
    async def getmany(
        self, *, timeout_ms: int, max_records: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The partitions of this process.

    ``lock`` is held during a batch. ``disturbed`` is set while the positions have to be read before anything else:
    at the start, after partitions were assigned or revoked, and after another process moved a position of ours.
    ``generation`` changes with every reassignment: a batch of an earlier generation must not move positions.
    """

    def __init__(self, consumer: Consumer, positions: Positions, metrics: Metrics) -> None:
        self.lock = asyncio.Lock()
        self.disturbed = asyncio.Event()
        self.disturbed.set()
        self.generation = 0
        self._consumer = consumer
        self._positions = positions
        self._metrics = metrics
        self._stored: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait a while for the current batch; it must not move positions after this."""
        if not revoked:
            return  # before the first assignment, or between two empty assignments
        self.disturbed.set()
        held = False
        try:
            async with asyncio.timeout(BATCH_PATIENCE_S):
                held = await self.lock.acquire()
        except TimeoutError:
            log.warning("partitions revoked during a batch", partitions=_names(revoked))
        self._change()
        if held:
            self.lock.release()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """The positions are read by :meth:`restore`: a failure in here would only be logged by aiokafka."""
        log.info("partitions assigned", partitions=_names(assigned))
        self._change()

    def _change(self) -> None:
        self.generation += 1
        self.disturbed.set()

    @property
    def settled(self) -> bool:
        """Partitions are assigned (possibly none) and their positions loaded."""
        return self.generation > 0 and not self.disturbed.is_set()

    async def restore(self) -> None:
        """Seek every partition to its position in Postgres. ``disturbed`` stays set when partitions were reassigned
        meanwhile. Raises :class:`~runtime.retry.DependencyUnavailable` and :class:`PositionBeyondLog`."""
        generation = self.generation
        assigned = sorted(self._consumer.assignment())
        stored: dict[TopicPartition, int] = {}
        start: dict[TopicPartition, int] = {}
        if assigned:  # a group may have more members than partitions
            stored = await self._positions.load(assigned)
            start = await self._within_log(assigned, stored)
        if generation != self.generation:
            return
        try:
            for tp in assigned:
                self._consumer.seek(tp, start[tp])
        except IllegalStateError:
            return  # revoked between the check and the seek; the listener will be called
        self._stored = stored
        self._next = start
        self.disturbed.clear()
        log.info("positions restored", positions={_name(tp): offset for tp, offset in start.items()})

    async def _within_log(
        self, assigned: Sequence[TopicPartition], stored: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        try:
            first = await self._consumer.beginning_offsets(assigned)
            end = await self._consumer.end_offsets(assigned)
        except KafkaError as error:
            raise DependencyUnavailable(f"kafka: {error!r}") from error
        start = {}
        for tp in assigned:
            position = stored[tp]
            if position > end[tp]:
                raise PositionBeyondLog(f"{_name(tp)}: position {position}, the log ends at {end[tp]}")
            if position < first[tp]:
                self._miss(tp, position, first[tp])
            start[tp] = max(position, first[tp])
        return start

    def accept(self, records: Sequence[ConsumerRecord]) -> dict[TopicPartition, tuple[int, int]]:
        """The ranges ``{topic and partition: (next offset, offset after the last)}`` of records that continue at our positions.

        Empty, and ``disturbed``, when a record is before its position or of a partition that is not ours. Missing
        offsets were deleted by retention, which is never normal: they are logged as critical and skipped.
        """
        ranges: dict[TopicPartition, tuple[int, int]] = {}
        for record in records:
            tp = TopicPartition(record.topic, record.partition)
            start = self._next.get(tp)
            if start is None:
                self.disturbed.set()
                return {}
            expected = ranges.get(tp, (start, start))[1]
            if record.offset < expected:
                self.disturbed.set()
                return {}
            if record.offset > expected:
                self._miss(tp, expected, record.offset)
            ranges[tp] = (start, record.offset + 1)
        return ranges

    async def advance(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Store the ends of ``ranges``; raises :class:`~storage.streams.positions.LostPartition` and ``DependencyUnavailable``."""
        await self._positions.advance({tp: (self._stored[tp], following) for tp, (_, following) in ranges.items()})
        for tp, (_, following) in ranges.items():
            self._stored[tp] = self._next[tp] = following

    def _miss(self, tp: TopicPartition, expected: int, found: int) -> None:
        self._metrics.missing_offsets.inc(found - expected)
        log.critical("kafka lost messages", topic=tp.topic, partition=tp.partition, expected=expected, found=found)


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}/{tp.partition}"


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [_name(tp) for tp in sorted(partitions)]
