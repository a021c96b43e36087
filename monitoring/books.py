"""The numbers that the books hold: what is unfinished, who is behind, what waits, whether it adds up.

A process that is dead tells nothing; the books still know.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.topics import DEAD_LETTERS
from runtime.kafka.lag import Lag, LagOfPartition
from storage import monitoring
from storage.monitoring import Approvals, Difference, Group, Job, Processes, Unfinished
from storage.providers.switches import OpenBreaker, Switch, open_breakers, switches
from storage.streams.positions import Consumer

#: Consumers that write down what they publish.
_PUBLISHING: Final = (Consumer.PAYMENTS, Consumer.SUBSCRIPTIONS)
#: (topic, partition).
Place = tuple[str, int]


class Ends(Protocol):
    """Where the partitions of the topics begin and end."""

    async def read(self) -> Mapping[Place, tuple[int, int]] | None:
        """Topic and partition → first offset and the one after the last; ``None`` while Kafka does not answer."""

    async def close(self) -> None:
        """Disconnect."""


class ConsumerLag(msgspec.Struct, frozen=True):
    """A consumer in a partition. ``position``: the offset it processes next; ``lag``: ``None`` while Kafka's end is not
    known; ``per_s``: messages a second since the last look, ``None`` at the first."""

    consumer: str
    topic: str
    partition: int
    position: int
    lag: Lag | None
    per_s: float | None = None


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the books said at ``at`` (UTC, Postgres' clock). ``partitions``: topic → how many it has, and ``letters_open``:
    dead letters without a resolution, both ``None`` while Kafka does not answer. ``unpublished``: (consumer, partition) →
    messages whose outputs are not known to be in Kafka. ``imbalance``: currency → minor units, must be 0."""

    at: datetime
    unfinished: list[Unfinished]
    unknown: list[Group]
    overdue: list[Group]
    lags: list[ConsumerLag]
    unpublished: dict[tuple[str, int], int]
    partitions: dict[str, int] | None
    parked: list[Group]
    letters_open: int | None
    imbalance: dict[str, int]
    switches: dict[str, Switch]
    breakers: list[OpenBreaker]
    differences: list[Difference]
    approvals: list[Approvals]
    jobs: list[Job]
    processes: list[Processes]


class BookReader:
    """Reads :class:`Books` again and again; between two looks it remembers which positions moved."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._lags: dict[tuple[str, str, int], LagOfPartition] = {}
        self._last: tuple[datetime, dict[tuple[str, str, int], int]] | None = None

    async def close(self) -> None:
        """Disconnect from Kafka."""
        await self._ends.close()

    async def read(self, connection: AsyncConnection) -> Books:
        """One look, outside of a transaction. Raises what Postgres' statements raise."""
        ends = await self._ends.read()
        async with connection.begin():
            at = await monitoring.now(connection)
            positions = await monitoring.positions(connection)
            lags = [self._lag(position, ends or {}, at) for position in positions]
            self._last = at, {(one.consumer, one.topic, one.partition): one.next_offset for one in positions}
            letters = None if ends is None else await self._letters(connection, ends)
            return Books(
                at=at,
                unfinished=await monitoring.unfinished(connection),
                unknown=await monitoring.unknown_operations(connection),
                overdue=await monitoring.overdue_follow_ups(connection),
                lags=lags,
                unpublished={
                    (one.consumer, one.partition): max(0, one.next_offset - one.published_offset)
                    for one in positions
                    if one.consumer in _PUBLISHING
                },
                partitions=None if ends is None else _partitions(ends),
                parked=await monitoring.parked_callbacks(connection),
                letters_open=letters,
                imbalance=await monitoring.imbalance(connection),
                switches=await switches(connection),
                breakers=await open_breakers(connection, at),
                differences=await monitoring.differences(connection),
                approvals=await monitoring.approvals(connection),
                jobs=await monitoring.jobs(connection),
                processes=await monitoring.processes(connection),
            )

    def _lag(self, place: monitoring.Position, ends: Mapping[Place, tuple[int, int]], at: datetime) -> ConsumerLag:
        bounds = ends.get((place.topic, place.partition))
        key = (place.consumer, place.topic, place.partition)
        lag = per_s = None
        if bounds is not None:
            lag = self._lags.setdefault(key, LagOfPartition()).look(place.next_offset, bounds[1])
        if self._last is not None and key in self._last[1] and (passed := age_s(self._last[0], at)) > 0:
            per_s = max(0, place.next_offset - self._last[1][key]) / passed
        return ConsumerLag(place.consumer, place.topic, place.partition, place.next_offset, lag, per_s)

    async def _letters(self, connection: AsyncConnection, ends: Mapping[Place, tuple[int, int]]) -> int:
        held = {partition: bounds for (topic, partition), bounds in ends.items() if topic == DEAD_LETTERS.name}
        resolved = await monitoring.resolved_letters(connection, {part: first for part, (first, _) in held.items()})
        return max(0, sum(end - first for first, end in held.values()) - resolved)


def age_s(oldest: datetime, at: datetime) -> float:
    """Seconds from ``oldest`` to ``at``; a clock that runs ahead counts as none."""
    return max(timedelta(), at - oldest).total_seconds()


def _partitions(ends: Mapping[Place, tuple[int, int]]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for topic, _ in ends:
        numbers[topic] = numbers.get(topic, 0) + 1
    return numbers
