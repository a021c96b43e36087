"""Every metric of the ingest API, declared and explained."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

#: Seconds, from a Kafka acknowledgement to the longest wait that a client can request.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry per application, so that two applications in one process count their own requests only."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "ingest_requests",
            "Requests answered, by route (its template), method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "ingest_request_seconds",
            "From the request's head to the end of its answer, waiting for a payment included.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.problems = Counter(
            "ingest_problems",
            "Requests answered with a problem document, by its code.",
            ("code",),
            registry=self.registry,
        )
        self.ack_seconds = Histogram(
            "ingest_kafka_ack_seconds",
            "From handing a message to the producer to the broker's acknowledgement.",
            ("topic",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.unacknowledged = Counter(
            "ingest_kafka_unacknowledged",
            "Messages the broker did not acknowledge in time; their requests were answered with 503.",
            ("topic",),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "ingest_waiting_requests",
            "Requests that are waiting for the reply to their command.",
            registry=self.registry,
        )
        self.event_streams = Gauge(
            "ingest_event_streams",
            "Open streams of payment events.",
            registry=self.registry,
        )
        self.waits = Counter(
            "ingest_waits",
            "Waits for a reply, by how they ended: replied, late, disconnected, shutdown, or full (none was begun).",
            ("end",),
            registry=self.registry,
        )
        self.replies_invalid = Counter(
            "ingest_replies_invalid",
            "Messages on the replies topic that are not replies.",
            registry=self.registry,
        )
        self.callbacks = Counter(
            "ingest_callbacks",
            "Provider callbacks, by provider and result: stored or rejected.",
            ("provider", "result"),
            registry=self.registry,
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. The children of the metrics are cached: looking them up by label takes longer."""
        found = self._answered.get((route, method, status))
        if found is None:
            found = self.requests.labels(route, method, status), self.request_seconds.labels(route)
            self._answered[route, method, status] = found
        found[0].inc()
        found[1].observe(seconds)
