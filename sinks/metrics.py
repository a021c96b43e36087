"""Every metric of the sinks, declared and explained."""

from prometheus_client import Counter, Gauge, Histogram

from runtime.metrics import SECONDS, new_registry

#: Seconds. From a signal that goes straight through to one that waited out an outage.
_LAG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """One registry per sink: ``sink`` is its consumer name, the same as in ``stream_positions``."""

    def __init__(self, sink: str) -> None:
        self.registry = new_registry()
        self.delivered = self._counter("sink_delivered", "Events delivered, and their position stored.", sink)
        self.retries = self._counter("sink_retries", "Attempts that failed because a dependency did not answer.", sink)
        self.dead_letters = self._counter(
            "sink_dead_letters", "Messages that can never be delivered, written to the dead letters.", sink
        )
        self.parked = self._counter(
            "sink_parked", "Messages of a type that this release does not know, parked in Postgres.", sink
        )
        self.lost_partitions = self._counter(
            "sink_lost_partitions", "Batches dropped because another process had moved the position.", sink
        )
        self.missing_offsets = self._counter(
            "sink_missing_offsets", "Offsets that Kafka no longer held when the sink came to them. Never normal.", sink
        )
        self.lag_seconds = Histogram(
            "sink_lag_seconds",
            "From the change to its delivery. Changes made by a test clock are left out.",
            ("sink",),
            buckets=_LAG_SECONDS,
            registry=self.registry,
        ).labels(sink)
        self.batch_seconds = Histogram(
            "sink_batch_seconds",
            "One batch, from the first try to the stored position.",
            ("sink",),
            buckets=SECONDS,
            registry=self.registry,
        ).labels(sink)
        self.stuck_seconds = Gauge(
            "sink_stuck_seconds",
            "How long the current step has failed; 0 while it works. Alert on it.",
            ("sink",),
            registry=self.registry,
        ).labels(sink)

    def _counter(self, name: str, meaning: str, sink: str) -> Counter:
        return Counter(name, meaning, ("sink",), registry=self.registry).labels(sink)
