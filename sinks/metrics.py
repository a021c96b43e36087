"""Every metric of the sinks, declared and explained."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

#: Seconds. From a signal that goes straight through to one that waited out an outage.
_LAG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry per sink: ``sink`` is its consumer name, the same as in ``stream_positions``."""

    def __init__(self, sink: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.delivered = self._counter("sink_delivered", "Events delivered, and their position stored.", sink)
        self.retries = self._counter("sink_retries", "Tries that failed because something was away.", sink)
        self.dead_letters = self._counter("sink_dead_letters", "Messages put aside that can never be read.", sink)
        self.lost_partitions = self._counter(
            "sink_lost_partitions", "Batches dropped because another process had moved the position.", sink
        )
        self.missing_offsets = self._counter(
            "sink_missing_offsets", "Offsets that Kafka no longer had when their turn came. Never normal.", sink
        )
        self.lag_seconds = Histogram(
            "sink_lag_seconds",
            "From the payment's change to its delivery.",
            ("sink",),
            buckets=_LAG_SECONDS,
            registry=self.registry,
        ).labels(sink)
        self.batch_seconds = Histogram(
            "sink_batch_seconds",
            "One batch, from the first try to the stored position.",
            ("sink",),
            buckets=_SECONDS,
            registry=self.registry,
        ).labels(sink)
        self.stuck_seconds = Gauge(
            "sink_stuck_seconds",
            "How long the step in hand has failed so far; 0 while things work. Alert on it.",
            ("sink",),
            registry=self.registry,
        ).labels(sink)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Prometheus may read them at ``http://host:port/metrics`` meanwhile; with port 0 nobody may."""
        if port == 0:
            yield
            return
        server, thread = start_http_server(port, host, self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _counter(self, name: str, meaning: str, sink: str) -> Counter:
        return Counter(name, meaning, ("sink",), registry=self.registry).labels(sink)
