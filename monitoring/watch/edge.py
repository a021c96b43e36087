"""Ingest, as clients see it, and the admin process."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_EDGE: Final = Dashboard.EDGE


def _failed(window: str) -> str:
    return f'sum(rate(ingest_requests_total{{status=~"5.."}}[{window}])) / sum(rate(ingest_requests_total[{window}]))'


def _burns(factor: float, long: str, short: str) -> str:
    """Of 99.95 % within 30 days, ``factor`` times too much fails, and lately too; not by single requests at night."""
    most = round(factor * 0.0005, 6)
    return (
        f"{_failed(long)} > {most} and {_failed(short)} > {most}"
        f' and sum(increase(ingest_requests_total{{status=~"5.."}}[{long}])) > 10'
    )


ITEMS: Final = (
    Watched(
        title="Requests",
        dashboard=_EDGE,
        unit=Unit.PER_S,
        query="sum by (route, status) (rate(ingest_requests_total[5m]))",
        legend="{{route}} {{status}}",
        on_page=True,
    ),
    Watched(
        title="Share of requests that failed by our fault",
        dashboard=_EDGE,
        unit=Unit.SHARE,
        query=_failed("5m"),
        legend="5xx",
        on_page=True,
        rare=True,
        alerts=(
            Alert(
                name="IngestErrorsFast",
                when=_burns(14.4, "1h", "5m"),
                holds="2m",
                severity=Severity.PAGE,
                notice="shops get 5xx: customers cannot pay",
                look="`ingest_problems_total` by `code`: `service-unavailable` is Kafka or too many connections; else"
                " ingest's log, `unexpected error`",
                do="bring Kafka back; roll the last release back",
            ),
            Alert(
                name="IngestErrorsSlow",
                when=_burns(3, "1d", "2h"),
                holds="15m",
                severity=Severity.TICKET,
                notice="some requests fail, and more than were agreed will",
                look="as IngestErrorsFast",
                do="as IngestErrorsFast",
            ),
        ),
    ),
    Watched(
        title="Problems by code",
        dashboard=_EDGE,
        unit=Unit.PER_S,
        query="sum by (code) (rate(ingest_problems_total[5m]))",
        legend="{{code}}",
        rare=True,
    ),
    Watched(
        title="Time of a request, 99th percentile",
        dashboard=_EDGE,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.99, sum by (route, le) (rate(ingest_request_seconds_bucket[5m])))",
        legend="{{route}}",
        on_page=True,
    ),
    Watched(
        title="Kafka's acknowledgement, 99th percentile",
        dashboard=_EDGE,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.99, sum by (le) (rate(ingest_kafka_ack_seconds_bucket[5m])))",
        legend="acknowledged",
        on_page=True,
        alerts=(
            Alert(
                name="KafkaSlow",
                when="> 0.5",
                holds="10m",
                severity=Severity.TICKET,
                notice="requests take longer",
                look="the broker's disk and replicas",
                do="move the partitions from the slow broker",
            ),
        ),
    ),
    Watched(
        title="Messages that Kafka did not acknowledge",
        dashboard=_EDGE,
        query="sum(increase(ingest_kafka_unacknowledged_total[5m]))",
        legend="unacknowledged",
        alerts=(
            Alert(
                name="KafkaUnacknowledged",
                when="> 0",
                holds="1m",
                severity=Severity.PAGE,
                notice="shops get 503 with Retry-After; nothing was accepted that is not stored",
                look="the broker: is it running, are enough replicas in sync?",
                do="bring the broker back",
            ),
        ),
    ),
    Watched(
        title="Waits by end",
        dashboard=_EDGE,
        unit=Unit.PER_S,
        query="sum by (end) (rate(ingest_waits_total[5m]))",
        legend="{{end}}",
    ),
    Watched(
        title="Requests that wait",
        dashboard=_EDGE,
        query="sum(ingest_waiting_requests)",
        legend="waiting",
    ),
    Watched(
        title="Event streams",
        dashboard=_EDGE,
        query="sum by (client) (ingest_event_streams)",
        legend="{{client}}",
        rare=True,
    ),
    Watched(
        title="Requests of admin",
        dashboard=_EDGE,
        unit=Unit.PER_S,
        query="sum by (page, class) (rate(admin_requests_total[5m]))",
        legend="{{page}} {{class}}",
        rare=True,
    ),
    Watched(
        title="Time of a page, 95th percentile",
        dashboard=_EDGE,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.95, sum by (page, le) (rate(admin_request_seconds_bucket[5m])))",
        legend="{{page}}",
        rare=True,
    ),
)
