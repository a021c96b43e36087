"""What leaves for RabbitMQ and ClickHouse."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_SINKS: Final = Dashboard.SINKS
_LATE: Final = "histogram_quantile(0.99, sum by (sink, le) (rate(sink_lag_seconds_bucket{%s}[5m])))"

ITEMS: Final = (
    Watched(
        title="Failing for",
        dashboard=_SINKS,
        unit=Unit.SECONDS,
        query="max by (sink) (sink_stuck_seconds)",
        legend="{{sink}}",
        alerts=(
            Alert(
                name="SignalsStuck",
                when='max by (sink) (sink_stuck_seconds{sink="sink.rabbitmq"}) > 60',
                severity=Severity.PAGE,
                notice="customers who paid have no access, letters are not written",
                look="the sink's log: `retrying` names RabbitMQ, Postgres or Kafka, and the error",
                do="bring it back; everything is delivered then, in order",
            ),
            Alert(
                name="RowsStuck",
                when='max by (sink) (sink_stuck_seconds{sink="sink.clickhouse"}) > 600',
                severity=Severity.TICKET,
                notice="reports stand still; payments do not wait for them",
                look="the sink's log; ClickHouse's disk",
                do="bring ClickHouse back; the rows follow",
            ),
        ),
    ),
    Watched(
        title="From change to delivery, 99th percentile",
        dashboard=_SINKS,
        unit=Unit.SECONDS,
        query=_LATE % "",
        legend="{{sink}}",
        on_page=True,
        alerts=(
            Alert(
                name="SignalsLate",
                when=_LATE % 'sink="sink.rabbitmq"' + " > 5",
                holds="5m",
                severity=Severity.PAGE,
                notice="access comes late after a payment",
                look="`sink_batch_seconds`: a slow destination; else too few sinks",
                do="add a sink; look at RabbitMQ's memory and disk alarms",
            ),
            Alert(
                name="RowsLate",
                when=_LATE % 'sink="sink.clickhouse"' + " > 5",
                holds="15m",
                severity=Severity.TICKET,
                notice="reports are late",
                look="report `stream_lag`; `sink_batch_seconds`",
                do="as [Analytics and the books](#analytics-and-the-books-billing-parity-billing-backfill) says",
            ),
        ),
    ),
    Watched(
        title="Still: lag without movement",
        dashboard=_SINKS,
        unit=Unit.SECONDS,
        query='max by (consumer) (books_still_seconds{consumer=~"sink.*"})',
        legend="{{consumer}}",
        alerts=(
            Alert(
                name="SinkStill",
                when="> 120",
                holds="1m",
                severity=Severity.PAGE,
                notice="as SignalsStuck or RowsStuck",
                look="`billing status`: is the sink running? A sink that is down tells nothing, so only the books show it",
                do="start it",
            ),
        ),
    ),
    Watched(
        title="Lag",
        dashboard=_SINKS,
        query='sum by (consumer) (max by (consumer, topic, partition) (books_lag_messages{consumer=~"sink.*"}))',
        legend="{{consumer}}",
    ),
    Watched(
        title="Delivered",
        dashboard=_SINKS,
        unit=Unit.PER_S,
        query="sum by (sink) (rate(sink_delivered_total[5m]))",
        legend="{{sink}}",
        on_page=True,
    ),
    Watched(
        title="Time of a batch, 99th percentile",
        dashboard=_SINKS,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.99, sum by (sink, le) (rate(sink_batch_seconds_bucket[5m])))",
        legend="{{sink}}",
    ),
    Watched(
        title="Offsets that Kafka no longer held",
        dashboard=_SINKS,
        query="sum by (sink) (increase(sink_missing_offsets_total[1h]))",
        legend="{{sink}}",
        alerts=(
            Alert(
                name="OffsetsMissing",
                when="> 0",
                severity=Severity.PAGE,
                notice="events were never delivered",
                look="Kafka's retention; for how long the sink was down",
                do="`billing parity --repair` sends the rows again; signals: `billing backfill` does not, ask the consumers",
            ),
        ),
    ),
    Watched(
        title="Parked events",
        dashboard=_SINKS,
        query="sum by (sink) (increase(sink_parked_total[1h]))",
        legend="{{sink}}",
        alerts=(
            Alert(
                name="EventsParked",
                when="> 0",
                severity=Severity.TICKET,
                notice="nothing for an hour; then these events are dead letters",
                look="`SELECT * FROM parked_messages WHERE resolution IS NULL`: of which type",
                do="upgrade the sink within the hour: a newer release wrote them",
            ),
        ),
    ),
)
