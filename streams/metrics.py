"""Every metric of the worker, declared and explained. Labels are names from the code, never an id."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from billing.messages import MESSAGE_TYPES
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, Outcome, PaymentStatus
from runtime.kafka.lag import LagOfPartition
from runtime.kafka.record import Incoming
from runtime.metrics import SECONDS, new_registry
from runtime.series import Series
from storage.streams.backlog import OpenOperations, StoredPosition
from storage.streams.positions import Consumer
from streams.provider_calls.breaker import State

_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30)

#: Providers, codes of refusals and partitions that get series of their own; the rest share one.
PROVIDERS: Final = 12
_REFUSALS: Final = 40
_PARTITIONS: Final = 100
CONSUMERS: Final = tuple(Consumer)
#: The status of a payment before its first.
NEW: Final = "NEW"

Process = Callable[[list[Incoming]], Awaitable[None]]


class Metrics:
    """One registry per worker. ``consumer`` is the name in ``stream_positions``. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry = new_registry()
        self._clock = clock
        self._lags: dict[tuple[str, int], LagOfPartition] = {}
        self._batch_messages = Series(
            Histogram(
                "stream_batch_messages",
                "Messages in one batch.",
                ("consumer",),
                buckets=_MESSAGES,
                registry=registry,
            ),
            CONSUMERS,
        )
        self._batch_seconds = Series(
            Histogram(
                "stream_batch_seconds",
                "One batch, from its first attempt to its end, retries included. For provider requests: until the calls"
                " have started.",
                ("consumer",),
                buckets=SECONDS,
                registry=registry,
            ),
            CONSUMERS,
        )
        self._decisions = Series(
            Counter(
                "payments_decisions",
                "Messages of the payments inbox whose effects are committed, by type and outcome: changed, unchanged or"
                " refused.",
                ("type", "outcome"),
                registry=registry,
            ),
            MESSAGE_TYPES,
            ("changed", "unchanged", "refused"),
        )
        self._other_modes = Series(
            Counter(
                "payments_other_capture_mode",
                "Payments that a provider captures in another number of stages than they asked: its merchant is set up"
                " otherwise than our settings say.",
                ("provider",),
                registry=registry,
            ),
            PROVIDERS,
        )
        self._lag_messages = Series(
            Gauge(
                "stream_lag_messages",
                "Messages of a partition of this worker after the position in Postgres.",
                ("consumer", "partition"),
                registry=registry,
            ),
            CONSUMERS,
            _PARTITIONS,
        )
        self._lag_seconds = Series(
            Gauge(
                "stream_lag_seconds",
                "Time since this worker saw the oldest message after the position arrive in Kafka; 0 without one. Read"
                " once a second.",
                ("consumer", "partition"),
                registry=registry,
            ),
            CONSUMERS,
            _PARTITIONS,
        )
        self._stalled = Series(
            Gauge(
                "stream_stalled_seconds",
                "For how long a consumer has had work and not moved while no outage was known; 0 otherwise. At"
                " BILLING_STALL_S the worker exits.",
                ("consumer",),
                registry=registry,
            ),
            CONSUMERS,
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
        self._open = Series(
            Gauge(
                "open_operations",
                "Operations whose outcome is open, by provider and status, of all workers.",
                ("provider", "status"),
                registry=registry,
            ),
            PROVIDERS,
            OperationStatus,
        )
        self._oldest = Series(
            Gauge(
                "oldest_open_operation_seconds",
                "Age of the oldest operation whose outcome is open, by provider and status, of all workers.",
                ("provider", "status"),
                registry=registry,
            ),
            PROVIDERS,
            OperationStatus,
        )
        self._contradicted = Series(
            Gauge(
                "contradicted_payments",
                "Payments in which the provider, asked, contradicts the books, by provider, of all workers.",
                ("provider",),
                registry=registry,
            ),
            PROVIDERS,
        )
        self._calls = Series(
            Counter(
                "provider_calls",
                "Provider calls that ended, by provider, action and outcome; NOT_SENT includes those that the worker held back.",
                ("provider", "action", "outcome"),
                registry=registry,
            ),
            PROVIDERS,
            Action,
            Outcome,
        )
        self._call_seconds = Series(
            Histogram(
                "provider_call_seconds",
                "One provider call, waiting for a free slot included.",
                ("provider", "action"),
                buckets=_CALL_SECONDS,
                registry=registry,
            ),
            PROVIDERS,
            Action,
        )
        self._breaker = Series(
            Gauge(
                "provider_breaker",
                "1 for the state that a provider's circuit breaker is in: closed, open or probing.",
                ("provider", "state"),
                registry=registry,
            ),
            PROVIDERS,
            State,
        )
        self._refused = Series(
            Counter(
                "payments_refused",
                "Commands that are committed as refused, by type and code of the refusal.",
                ("type", "code"),
                registry=registry,
            ),
            MESSAGE_TYPES,
            _REFUSALS,
        )
        self._transitions = Series(
            Counter(
                "payments_transitions",
                "Changes of a payment's status that are committed, by provider; NEW is the status before the first.",
                ("provider", "from", "to"),
                registry=registry,
            ),
            PROVIDERS,
            (*PaymentStatus, NEW),
            PaymentStatus,
        )
        self._reasons = Series(
            Counter(
                "provider_reasons",
                "Provider calls that did not succeed, by provider and reason; other: a reason that is not ours.",
                ("provider", "reason"),
                registry=registry,
            ),
            PROVIDERS,
            Reason,
        )
        self._in_flight = Series(
            Gauge("provider_calls_in_flight", "Provider calls that run now.", ("provider",), registry=registry),
            PROVIDERS,
        )
        self._calls_waiting = Series(
            Gauge(
                "provider_calls_waiting",
                "Requests taken from Kafka that wait for a call to the provider to end.",
                ("provider",),
                registry=registry,
            ),
            PROVIDERS,
        )
        self._callbacks = Series(
            Counter(
                "callbacks",
                "Callbacks by provider and result: forwarded to their payment, or parked until it is known.",
                ("provider", "result"),
                registry=registry,
            ),
            PROVIDERS,
            ("forwarded", "parked"),
        )
        self._follow_ups = Counter(
            "follow_ups_sent", "Messages sent to payments with an open operation that was due.", registry=registry
        )
        self._waiting = Series(
            Gauge(
                "stream_waiting_messages",
                "Messages that Faust delivered and the agent has not taken.",
                ("consumer",),
                registry=registry,
            ),
            CONSUMERS,
        )
        self._assigned = Series(
            Gauge(
                "stream_assigned_partitions",
                "Partitions that this worker holds; over all workers, those of the topic.",
                ("consumer",),
                registry=registry,
            ),
            CONSUMERS,
        )

    def measured(self, consumer: str, process: Process) -> Process:
        """``process`` with its batches counted and timed."""
        messages, seconds = self._batch_messages(consumer), self._batch_seconds(consumer)

        async def measure(batch: list[Incoming]) -> None:
            started = self._clock()
            await process(batch)
            messages.observe(len(batch))
            seconds.observe(self._clock() - started)

        return measure

    def decided(self, type: str, outcome: str, refusal: str | None = None) -> None:
        """The effects of a message are committed. ``type``: of our catalogue; ``outcome``: see the metric; ``refusal``: its
        code, where it was refused."""
        self._decisions(type, outcome).inc()
        if refusal is not None:
            self._refused(type, refusal).inc()

    def changed(self, provider: str, before: str | None, after: str) -> None:
        """A payment's new status is committed; ``before`` is ``None`` for a payment that is new."""
        self._transitions(provider, before or NEW, after).inc()

    def other_mode(self, provider: str) -> None:
        """A payment is captured otherwise than it asked."""
        self._other_modes(provider).inc()

    def call_ended(
        self, provider: str, action: Action, outcome: Outcome, seconds: float, reason: str | None = None
    ) -> None:
        """A provider call ended, or was not made; ``reason``: why it did not succeed."""
        self._calls(provider, action.value, outcome.value).inc()
        self._call_seconds(provider, action.value).observe(seconds)
        if reason is not None and outcome is not Outcome.SUCCEEDED:
            self._reasons(provider, reason).inc()

    def know(self, providers: Iterable[str]) -> None:
        """Let what alerts count start at 0: a series that appears with its first event has not grown since."""
        for provider in providers:
            self._reasons(provider, Reason.CREDENTIALS)
            self._other_modes(provider)
            for action in Action:
                for outcome in Outcome:
                    self._calls(provider, action, outcome)

    def calls(self, in_flight: Mapping[str, int], waiting: Mapping[str, int]) -> None:
        """Provider → calls that run, and requests that wait, now."""
        for provider, number in in_flight.items():
            self._in_flight(provider).set(number)
        for provider, number in waiting.items():
            self._calls_waiting(provider).set(number)

    def callbacks(self, provider: str, result: str, number: int) -> None:
        """Callbacks were forwarded or parked."""
        self._callbacks(provider, result).inc(number)

    def follow_ups(self, number: int) -> None:
        """Follow-ups are in Kafka."""
        self._follow_ups.inc(number)

    def feed(self, consumer: str, waiting: int, partitions: int) -> None:
        """What waits in a feed, and the partitions it is assigned."""
        self._waiting(consumer).set(waiting)
        self._assigned(consumer).set(partitions)

    def breakers(self, states: Mapping[str, State]) -> None:
        """The state of each provider's breaker."""
        for provider, state in states.items():
            for possible in State:
                self._breaker(provider, possible.value).set(possible is state)

    def positions(self, stored: Sequence[StoredPosition], end: Callable[[str, int], int | None]) -> None:
        """Positions in Postgres against the ends of the partitions; ``end`` is ``None`` for one that is not ours."""
        self._lag_messages.clear()
        self._lag_seconds.clear()
        unpublished = 0
        seen = {}
        for position in stored:
            last = end(position.topic, position.partition)
            if last is None:
                continue
            place = (position.consumer, position.partition)
            one = seen[place] = self._lags.get(place) or LagOfPartition(self._clock)
            lag = one.look(position.next_offset, last)
            labels = (position.consumer, str(position.partition))
            self._lag_messages(*labels).set(lag.messages)
            self._lag_seconds(*labels).set(lag.seconds)
            unpublished += max(0, position.next_offset - position.published_offset)
        self._lags = seen
        self._unpublished.set(unpublished)

    def stalled(self, consumer: str, seconds: float) -> None:
        """For how long a consumer has not moved although it could."""
        self._stalled(consumer).set(seconds)

    def contradicted(self, payments: Mapping[str, int]) -> None:
        """Provider → payments in which it contradicts the books."""
        self._contradicted.clear()
        for provider, number in payments.items():
            self._contradicted(provider).set(number)

    def backlog(self, parked: int, operations: Sequence[OpenOperations], now: datetime) -> None:
        """Parked callbacks and open operations; ``now`` in UTC."""
        self._parked.set(parked)
        self._open.clear()
        self._oldest.clear()
        for one in operations:
            self._open(one.provider, one.status).set(one.number)
            self._oldest(one.provider, one.status).set(max(0.0, (now - one.oldest).total_seconds()))
