"""Every metric of the ingest API, declared and explained."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from billing.messages.topics import CALLBACKS, INBOX, SUBSCRIPTIONS
from runtime.metrics import SECONDS, new_registry
from runtime.series import Series

#: Methods that routes have, and those of requests without a route.
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "any")
#: Routes, statuses and API clients with series of their own; the rest share one.
_ROUTES: Final = 60
_STATUSES: Final = 30
_CLIENTS: Final = 100
_PROVIDERS: Final = 12
#: Topics that ingest writes, and how a wait for a reply ends.
TOPICS: Final = (INBOX.name, SUBSCRIPTIONS.name, CALLBACKS.name)
ENDS: Final = ("replied", "late", "disconnected", "shutdown", "full")


class Metrics:
    """One registry per application, so that two applications in one process count their own requests only."""

    def __init__(self) -> None:
        self.registry = new_registry()
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
            buckets=SECONDS,
            registry=self.registry,
        )
        self.problems = Counter(
            "ingest_problems",
            "Requests answered with a problem document, by its code.",
            ("code",),
            registry=self.registry,
        )
        self.ack_seconds = Series(
            Histogram(
                "ingest_kafka_ack_seconds",
                "From handing a message to the producer to the broker's acknowledgement.",
                ("topic",),
                buckets=SECONDS,
                registry=self.registry,
            ),
            TOPICS,
        )
        self.unacknowledged = Series(
            Counter(
                "ingest_kafka_unacknowledged",
                "Messages the broker did not acknowledge in time; their requests were answered with 503.",
                ("topic",),
                registry=self.registry,
            ),
            TOPICS,
        )
        self.waiting = Gauge(
            "ingest_waiting_requests",
            "Requests that are waiting for the reply to their command.",
            registry=self.registry,
        )
        self.event_streams = Gauge(
            "ingest_event_streams",
            "Open streams of payment events, by API client; other: clients beyond the first hundred.",
            ("client",),
            registry=self.registry,
        )
        self.waits = Series(
            Counter(
                "ingest_waits",
                "Waits for a reply, by how they ended: replied, late, disconnected, shutdown, or full (none was begun).",
                ("end",),
                registry=self.registry,
            ),
            ENDS,
        )
        self.replies_invalid = Counter(
            "ingest_replies_invalid",
            "Messages on the replies topic that are not replies.",
            registry=self.registry,
        )
        self.callbacks = Series(
            Counter(
                "ingest_callbacks",
                "Provider callbacks, by provider and result: stored or rejected.",
                ("provider", "result"),
                registry=self.registry,
            ),
            _PROVIDERS,
            ("stored", "rejected"),
        )
        for end in ENDS:
            self.waits(end)
        # What alerts count starts at 0: a series that appears with its first event has not grown since.
        for topic in TOPICS:
            self.unacknowledged(topic)
        self._requests = Series(self.requests, _ROUTES, METHODS, _STATUSES)
        self._request_seconds = Series(self.request_seconds, _ROUTES)
        self._event_streams = Series(self.event_streams, _CLIENTS)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. ``method`` is what the client sent."""
        self._requests(route, method, str(status)).inc()
        self._request_seconds(route).observe(seconds)

    def streams(self, client: str, by: int) -> None:
        """A client opened (1) or closed (-1) an event stream."""
        self._event_streams(client).inc(by)
