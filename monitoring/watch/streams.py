"""The worker's consumers: who is behind, who stands still, what is put aside."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_STREAMS: Final = Dashboard.STREAMS
_OURS: Final = 'consumer!~"sink.*"'

ITEMS: Final = (
    Watched(
        title="Still: lag without movement",
        dashboard=_STREAMS,
        unit=Unit.SECONDS,
        query=f"max by (consumer) (books_still_seconds{{{_OURS}}})",
        legend="{{consumer}}",
        alerts=(
            Alert(
                name="StreamStill",
                when="> 60",
                holds="1m",
                severity=Severity.PAGE,
                notice="payments of some partitions do not go on; requests are answered with 202",
                look="`billing monitor`: which partitions; `billing status`: is a worker running, since when; its log:"
                " `retrying` names what is away, `process exits` says why it ended",
                do="no worker: start one. Postgres or Kafka away: bring it back. Neither: restart the workers and keep the log",
            ),
        ),
    ),
    Watched(
        title="Behind: age of the oldest message",
        dashboard=_STREAMS,
        unit=Unit.SECONDS,
        query=f"max by (consumer) (books_lag_seconds{{{_OURS}}})",
        legend="{{consumer}}",
        alerts=(
            Alert(
                name="StreamBehind",
                when="> 10",
                holds="5m",
                severity=Severity.PAGE,
                notice="answers come late, or as 202",
                look="`stream_batch_seconds`: a batch takes longer than it did: Postgres is slow. Else more comes than the"
                " workers can do",
                do="add workers (`--workers`, `--scale worker=`), up to one a partition; look at Postgres",
            ),
        ),
    ),
    Watched(
        title="Lag by partition",
        dashboard=_STREAMS,
        query=f"max by (consumer, partition) (books_lag_messages{{{_OURS}}})",
        legend="{{consumer}} {{partition}}",
    ),
    Watched(
        title="Partitions of the inbox that workers hold",
        dashboard=_STREAMS,
        query='sum(stream_assigned_partitions{consumer="payments"}) or vector(0)',
        legend="held",
        alerts=(
            Alert(
                name="PartitionsUnowned",
                when='(sum(stream_assigned_partitions{consumer="payments"}) or vector(0))'
                ' < max(books_partitions{topic="billing.payments.inbox"})',
                holds="2m",
                severity=Severity.PAGE,
                notice="payments of these partitions do not go on",
                look="`billing status`: are workers running? their logs: `partitions assigned`",
                do="start a worker; where all run, restart them one by one",
            ),
        ),
    ),
    Watched(
        title="Unpublished outputs",
        dashboard=_STREAMS,
        query="sum by (consumer) (max by (consumer, partition) (books_unpublished_messages))",
        legend="{{consumer}}",
        alerts=(
            Alert(
                name="OutboxWaits",
                when="> 10000",
                holds="2m",
                severity=Severity.PAGE,
                notice="providers are not called, shops are not told",
                look='`outage_seconds{operation="publish"}`; Kafka\'s log',
                do="bring Kafka back; the outputs are in the journal and go out by themselves",
            ),
        ),
    ),
    Watched(
        title="Outages that processes know of",
        dashboard=_STREAMS,
        unit=Unit.SECONDS,
        query="max by (job, operation) (outage_seconds)",
        legend="{{job}}: {{operation}}",
        rare=True,
        alerts=(
            Alert(
                name="OutageLasts",
                when="> 60",
                holds="30s",
                severity=Severity.PAGE,
                notice="depends on `operation`: nothing is lost, and what it does not reach waits",
                look="`operation`: `apply batch`, `apply callbacks`, `restore positions` (Postgres), `publish`,"
                " `write dead letter`, `follow topic` (Kafka); the process' log has the error",
                do="bring the dependency back",
            ),
        ),
    ),
    Watched(
        title="Retries",
        dashboard=_STREAMS,
        unit=Unit.PER_S,
        query="sum by (job, operation) (rate(retries_total[5m]))",
        legend="{{job}}: {{operation}}",
        rare=True,
    ),
    Watched(
        title="Stalled consumers",
        dashboard=_STREAMS,
        unit=Unit.SECONDS,
        query="max by (consumer) (stream_stalled_seconds)",
        legend="{{consumer}}",
        alerts=(
            Alert(
                name="ConsumerStalled",
                when="> 10",
                holds="10s",
                severity=Severity.TICKET,
                notice="a pause of up to a minute in some partitions",
                look="the worker's log: an agent hangs, or Faust dropped a message",
                do="nothing: the worker exits at 60 s and resumes from Postgres; keep its log",
            ),
        ),
    ),
    Watched(
        title="Messages by type",
        dashboard=_STREAMS,
        unit=Unit.PER_S,
        query="sum by (type, outcome) (rate(payments_decisions_total[5m]))",
        legend="{{type}} {{outcome}}",
    ),
    Watched(
        title="Messages in a batch, median",
        dashboard=_STREAMS,
        query="histogram_quantile(0.5, sum by (consumer, le) (rate(stream_batch_messages_bucket[5m])))",
        legend="{{consumer}}",
    ),
    Watched(
        title="Time of a batch, 99th percentile",
        dashboard=_STREAMS,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.99, sum by (consumer, le) (rate(stream_batch_seconds_bucket[5m])))",
        legend="{{consumer}}",
    ),
    Watched(
        title="Messages that agents have not taken",
        dashboard=_STREAMS,
        query="sum by (consumer) (stream_waiting_messages)",
        legend="{{consumer}}",
    ),
    Watched(
        title="Open dead letters",
        dashboard=_STREAMS,
        query="max(books_letters_open)",
        legend="open",
        alerts=(
            Alert(
                name="LettersOpen",
                when="> 0",
                severity=Severity.TICKET,
                notice="single commands have no effect",
                look="`billing dead-letters list`: cause and message",
                do="mend the cause, `billing dead-letters replay`; or `discard` with a reason",
            ),
            Alert(
                name="LettersMany",
                when="delta(books_letters_open[10m]) > 20",
                severity=Severity.PAGE,
                notice="many commands have no effect",
                look="`dead_letters_total` by `cause`; the last release",
                do="roll the last release back; then replay",
            ),
        ),
    ),
    Watched(
        title="Dead letters by cause",
        dashboard=_STREAMS,
        query="sum by (consumer, cause) (dead_letters_total)",
        legend="{{consumer}} {{cause}}",
        rare=True,
    ),
    Watched(
        title="Follow-ups sent",
        dashboard=_STREAMS,
        unit=Unit.PER_S,
        query="sum(rate(follow_ups_sent_total[5m]))",
        legend="sent",
    ),
)
