"""Every metric of the worker, declared and explained. Labels are names from the code, never an id."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from billing.vocabulary import Action, Outcome
from runtime.kafka.record import Incoming
from runtime.metrics import SECONDS, new_registry
from storage.streams.backlog import OpenOperations, StoredPosition
from streams.provider_calls.breaker import State

_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30)

#: Ends of a partition remembered for the lag in seconds: ten minutes of arrivals, then the last one stands for all.
MAX_ENDS: Final = 600

Process = Callable[[list[Incoming]], Awaitable[None]]


class Metrics:
    """One registry per worker. ``consumer`` is the name in ``stream_positions``. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry = new_registry()
        self._clock = clock
        self._ends: dict[tuple[str, int], deque[tuple[float, int]]] = {}
        self._batch_messages = Histogram(
            "stream_batch_messages",
            "Messages in one batch.",
            ("consumer",),
            buckets=_MESSAGES,
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "stream_batch_seconds",
            "One batch, from its first attempt to its end, retries included. For provider requests: until the calls"
            " have started.",
            ("consumer",),
            buckets=SECONDS,
            registry=registry,
        )
        self._decisions = Counter(
            "payments_decisions",
            "Messages of the payments inbox whose effects are committed, by type and outcome: changed, unchanged or"
            " refused.",
            ("type", "outcome"),
            registry=registry,
        )
        self._other_modes = Counter(
            "payments_other_capture_mode",
            "Payments that a provider captures in another number of stages than they asked: its merchant is set up"
            " otherwise than our settings say.",
            ("provider",),
            registry=registry,
        )
        self._lag_messages = Gauge(
            "stream_lag_messages",
            "Messages of a partition of this worker after the position in Postgres.",
            ("consumer", "partition"),
            registry=registry,
        )
        self._lag_seconds = Gauge(
            "stream_lag_seconds",
            "Time since this worker saw the oldest message after the position arrive in Kafka; 0 without one. Read"
            " once a second.",
            ("consumer", "partition"),
            registry=registry,
        )
        self._stalled = Gauge(
            "stream_stalled_seconds",
            "For how long a consumer has had work and not moved while no outage was known; 0 otherwise. At"
            " BILLING_STALL_S the worker exits.",
            ("consumer",),
            registry=registry,
        )
        self._unpublished = Gauge(
            "outbox_unpublished_messages",
            "Journalled messages of this worker's partitions whose outputs are not known to be in Kafka. The last"
            " batch counts until the next.",
            registry=registry,
        )
        self._parked = Gauge(
            "parked_callbacks",
            "Callbacks that wait for their payment, of all workers.",
            registry=registry,
        )
        self._open = Gauge(
            "open_operations",
            "Operations whose outcome is open, by provider and status, of all workers.",
            ("provider", "status"),
            registry=registry,
        )
        self._oldest = Gauge(
            "oldest_open_operation_seconds",
            "Age of the oldest operation whose outcome is open, by provider and status, of all workers.",
            ("provider", "status"),
            registry=registry,
        )
        self._contradicted = Gauge(
            "contradicted_payments",
            "Payments in which the provider, asked, contradicts the books, by provider, of all workers.",
            ("provider",),
            registry=registry,
        )
        self._calls = Counter(
            "provider_calls",
            "Provider calls that ended, by provider, action and outcome; NOT_SENT includes those that the worker held back.",
            ("provider", "action", "outcome"),
            registry=registry,
        )
        self._call_seconds = Histogram(
            "provider_call_seconds",
            "One provider call, waiting for a free slot included.",
            ("provider", "action"),
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self._breaker = Gauge(
            "provider_breaker",
            "1 for the state that a provider's circuit breaker is in: closed, open or probing.",
            ("provider", "state"),
            registry=registry,
        )

    def measured(self, consumer: str, process: Process) -> Process:
        """``process`` with its batches counted and timed."""
        messages, seconds = self._batch_messages.labels(consumer), self._batch_seconds.labels(consumer)

        async def measure(batch: list[Incoming]) -> None:
            started = self._clock()
            await process(batch)
            messages.observe(len(batch))
            seconds.observe(self._clock() - started)

        return measure

    def decided(self, type: str, outcome: str) -> None:
        """The effects of a message are committed. ``type``: of our catalogue; ``outcome``: see the metric."""
        self._decisions.labels(type, outcome).inc()

    def other_mode(self, provider: str) -> None:
        """A payment is captured otherwise than it asked."""
        self._other_modes.labels(provider).inc()

    def call_ended(self, provider: str, action: Action, outcome: Outcome, seconds: float) -> None:
        """A provider call ended, or was not made."""
        self._calls.labels(provider, action.value, outcome.value).inc()
        self._call_seconds.labels(provider, action.value).observe(seconds)

    def breakers(self, states: Mapping[str, State]) -> None:
        """The state of each provider's breaker."""
        for provider, state in states.items():
            for possible in State:
                self._breaker.labels(provider, possible.value).set(possible is state)

    def positions(self, stored: Sequence[StoredPosition], end: Callable[[str, int], int | None]) -> None:
        """Positions in Postgres against the ends of the partitions; ``end`` is ``None`` for one that is not ours."""
        self._lag_messages.clear()
        self._lag_seconds.clear()
        unpublished, now = 0, self._clock()
        seen = {}
        for position in stored:
            last = end(position.topic, position.partition)
            if last is None:
                continue
            place = (position.consumer, position.partition)
            ends = seen[place] = self._ends.get(place, deque())
            if ends and len(ends) == MAX_ENDS:
                ends[-1] = (ends[-1][0], last)
            elif not ends or ends[-1][1] < last:
                ends.append((now, last))
            while ends and ends[0][1] <= position.next_offset:
                ends.popleft()
            labels = (position.consumer, str(position.partition))
            self._lag_messages.labels(*labels).set(max(0, last - position.next_offset))
            self._lag_seconds.labels(*labels).set(now - ends[0][0] if ends else 0.0)
            unpublished += max(0, position.next_offset - position.published_offset)
        self._ends = seen
        self._unpublished.set(unpublished)

    def stalled(self, consumer: str, seconds: float) -> None:
        """For how long a consumer has not moved although it could."""
        self._stalled.labels(consumer).set(seconds)

    def contradicted(self, payments: Mapping[str, int]) -> None:
        """Provider → payments in which it contradicts the books."""
        self._contradicted.clear()
        for provider, number in payments.items():
            self._contradicted.labels(provider).set(number)

    def backlog(self, parked: int, operations: Sequence[OpenOperations], now: datetime) -> None:
        """Parked callbacks and open operations; ``now`` in UTC."""
        self._parked.set(parked)
        self._open.clear()
        self._oldest.clear()
        for one in operations:
            self._open.labels(one.provider, one.status).set(one.number)
            self._oldest.labels(one.provider, one.status).set(max(0.0, (now - one.oldest).total_seconds()))
