"""The loop of every sink: read events from Kafka, deliver batches to a destination, store the position in Postgres.

At least once, nothing skipped: a batch is delivered, then its position is stored in Postgres on the condition that
no other process has moved it, then committed to Kafka as a hint for tools that show the lag. After a crash between
delivery and position the batch is delivered again, with the same ids.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Final, Generic, TypeVar

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from billing.errors import InvalidMessage, UnknownMessageType
from runtime.retry import DependencyUnavailable, Retry, RetryStopped
from sinks.assignment import Assignment, Consumer
from sinks.batch import Batch, Destination, Event, PayloadRejected, read_event
from sinks.dead_letters import DeadLetters
from sinks.metrics import Metrics
from sinks.parking import Parking
from sinks.positions import LostPartition

log = structlog.get_logger(__name__)

T = TypeVar("T")
Poison = tuple[ConsumerRecord, InvalidMessage]


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What was read: the batch, the messages that can never be in it, those of a type that this release does not know,
    and the dead letters in a row at its end."""

    batch: "Batch[T]"
    poison: Sequence[Poison]
    unknown: Sequence[ConsumerRecord]
    dead_run: int


#: Longest wait for the first message of a batch, milliseconds: an idle sink notices a stop or a rebalance within it.
IDLE_MS: Final = 500
#: A loop without a step for this long hangs, seconds: longer than every deadline inside a step (a delivery, a query).
#: Every attempt of a retry is a step, so an outage of the destination does not stop the heartbeat.
HUNG_AFTER_S: Final = 60.0
#: Dead letters in a row after which the fault is more likely ours than the messages'.
DEAD_LETTER_RUN: Final = 100
#: The commit to Kafka: at most this often, and abandoned after this. Seconds.
COMMIT_EVERY_S: Final = 1.0
COMMIT_TIMEOUT_S: Final = 2.0


class TooManyDeadLetters(Exception):
    """So many messages in a row cannot be delivered that the fault is ours: an operator must look."""


@dataclass(frozen=True, slots=True)
class SinkSpec(Generic[T]):
    """What distinguishes one sink from another. ``consumer``: its name in ``stream_positions`` and its group.

    ``translate`` is pure and raises :class:`~billing.errors.InvalidMessage` for an event that the destination can never
    accept. A batch closes at ``batch_max`` events or when its first event is ``linger_s`` old.
    """

    consumer: str
    topics: tuple[str, ...]
    translate: Callable[[Event], T]
    destination: Destination[T]
    batch_max: int
    linger_s: float = 0.0


class Delivery(Generic[T]):
    """Runs one sink until stopped. ``random`` spreads retries; ``now`` is the wall clock (UTC), ``clock`` monotonic."""

    def __init__(
        self,
        spec: SinkSpec[T],
        consumer: Consumer,
        assignment: Assignment,
        dead_letters: DeadLetters,
        parking: Parking,
        metrics: Metrics,
        *,
        random: Random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._consumer = consumer
        self._assignment = assignment
        self._dead_letters = dead_letters
        self._parking = parking
        self._metrics = metrics
        self._random = random
        self._now = now
        self._clock = clock
        self._stopped = asyncio.Event()
        self._dead_run = 0
        self._committed_at = clock()
        self._stepped_at = clock()
        #: Whether the positions have been read at least once.
        self.ready = False

    def works(self) -> bool:
        """Whether the positions are known and the loop does not hang."""
        if not self.ready:
            return False
        idle_s = self._clock() - self._stepped_at
        if idle_s >= HUNG_AFTER_S:
            log.critical("the sink hangs", no_step_for_s=round(idle_s))
        return idle_s < HUNG_AFTER_S

    def stop(self) -> None:
        """Finish the current batch and end; a batch that cannot be delivered now is left for the next start."""
        self._stopped.set()
        self._assignment.disturbed.set()

    async def run(self) -> None:
        """Deliver until :meth:`stop`. Any exception must end the process: :class:`TooManyDeadLetters`,
        :class:`~sinks.assignment.PositionBeyondLog`, or a defect."""
        while not self._stopped.is_set():
            self._stepped_at = self._clock()
            if self._assignment.disturbed.is_set():
                await self._retried("restore", self._assignment.restore)
                self.ready = self.ready or self._assignment.settled
                continue
            records = await self._collect()
            if not records:
                continue
            async with self._assignment.lock:
                if not self._assignment.disturbed.is_set():
                    await self._work(records)

    async def _collect(self) -> list[ConsumerRecord]:
        """The next records: at most ``batch_max``, waiting for more for at most ``linger_s``."""
        records: list[ConsumerRecord] = []
        timeout_ms, deadline = IDLE_MS, 0.0
        while timeout_ms > 0 and len(records) < self._spec.batch_max and not self._assignment.disturbed.is_set():
            found = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=self._spec.batch_max - len(records))
            if not records:
                if not found:
                    break
                deadline = self._clock() + self._spec.linger_s
            records += [record for partition in found.values() for record in partition]
            timeout_ms = int((deadline - self._clock()) * 1000)
        return records

    async def _work(self, records: list[ConsumerRecord]) -> None:
        """Deliver and advance, or change nothing and have the positions read again."""
        ranges = self._assignment.accept(records)
        if not ranges:
            return
        started = self._clock()
        generation = self._assignment.generation
        read = self._translate(records, ranges)
        batch = read.batch
        try:
            done = (
                await self._park(read.unknown)
                and await self._write_dead_letters(read.poison)
                and (not batch.events or await self._deliver(batch, records))
                and generation == self._assignment.generation
                and await self._retried("advance", partial(self._assignment.advance, ranges))
            )
        except LostPartition as error:
            # Another process owns a partition of ours and the revocation will follow, or our earlier move was stored
            # and its confirmation lost. Reading the positions again is right in both cases.
            log.warning("lost partition, batch dropped", consumer=self._spec.consumer, error=str(error))
            self._metrics.lost_partitions.inc()
            done = False
        if not done:
            self._assignment.disturbed.set()
            return
        self._dead_run = read.dead_run
        self._metrics.batch_seconds.observe(self._clock() - started)
        self._metrics.delivered.inc(len(batch.events))
        now = self._now()
        for event in batch.events:
            if (changed_at := event.happened_at) is not None:
                self._metrics.lag_seconds.observe(max(0.0, (now - changed_at).total_seconds()))
        await self._commit(ranges)

    def _translate(self, records: list[ConsumerRecord], ranges: Mapping[TopicPartition, tuple[int, int]]) -> Read[T]:
        events: list[Event] = []
        contents: list[T] = []
        poison: list[Poison] = []
        unknown: list[ConsumerRecord] = []
        dead_run = self._dead_run
        for record in records:
            try:
                event = read_event(record)
                content = self._spec.translate(event)
            except UnknownMessageType:
                unknown.append(record)
            except InvalidMessage as error:
                poison.append((record, error))
                dead_run += 1
                if dead_run >= DEAD_LETTER_RUN:
                    raise TooManyDeadLetters(f"{dead_run} in a row, the last: {error}") from error
            else:
                events.append(event)
                contents.append(content)
                dead_run = 0
        batch = Batch(ranges, tuple(events), tuple(contents))
        return Read(batch, poison, unknown, dead_run)

    async def _deliver(self, batch: Batch[T], records: list[ConsumerRecord]) -> bool:
        """Deliver the batch. What the destination rejects is found by halves and written to the dead letters."""
        refused = 0
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                if not await self._retried("deliver", partial(self._spec.destination.deliver, part)):
                    return False
            except PayloadRejected as error:
                if len(part.events) > 1:
                    parts += reversed(part.halves())
                    continue
                refused += 1
                if refused >= DEAD_LETTER_RUN:
                    raise TooManyDeadLetters(f"{refused} in a batch, the last: {error}") from error
                (event,) = part.events
                at = (event.topic, event.partition, event.offset)
                record = next(r for r in records if (r.topic, r.partition, r.offset) == at)
                if not await self._write_dead_letters([(record, InvalidMessage(str(error)))]):
                    return False
        return True

    async def _park(self, unknown: Sequence[ConsumerRecord]) -> bool:
        for record in unknown:
            if not await self._retried("park", partial(self._parking.put, record)):
                return False
            self._metrics.parked.inc()
        return True

    async def _write_dead_letters(self, poison: Sequence[Poison]) -> bool:
        for record, error in poison:
            if not await self._retried("dead letter", partial(self._dead_letters.put, record, error)):
                return False
            self._metrics.dead_letters.inc()
        return True

    async def _retried(self, step: str, action: Callable[[], Awaitable[None]]) -> bool:
        """Retry until ``action`` succeeds. ``False`` when interrupted: stopping, or partitions are reassigned."""
        # Restoring is the reaction to a disturbance, so only a stop ends it.
        stop = self._stopped if step == "restore" else self._assignment.disturbed
        retry = Retry(step, (DependencyUnavailable,), stop=stop, random=self._random)

        async def attempt() -> None:
            self._stepped_at = self._clock()
            try:
                await action()
            except DependencyUnavailable:
                self._metrics.retries.inc()
                self._metrics.stuck_seconds.set(retry.failing_s)
                raise

        try:
            await retry.run(attempt, consumer=self._spec.consumer)
        except RetryStopped:
            return False
        self._metrics.stuck_seconds.set(0)
        return True

    async def _commit(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> None:
        if self._clock() - self._committed_at < COMMIT_EVERY_S:
            return
        self._committed_at = self._clock()
        offsets = {tp: following for tp, (_, following) in ranges.items()}
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            log.debug("kafka did not accept the commit", error=repr(error))
