"""The processes themselves."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_PROCESSES: Final = Dashboard.PROCESSES

ITEMS: Final = (
    Watched(
        title="Processes that answer",
        dashboard=_PROCESSES,
        query="sum by (job) (up)",
        legend="{{job}}",
        alerts=(
            Alert(
                name="ProcessDown",
                when="up == 0",
                holds="1m",
                severity=Severity.PAGE,
                notice="depends on `job`: the others of its kind take over within seconds, where there are others",
                look="`billing status`; the end of its log; its exit code",
                do="start it; exit code 78: `billing migrate`, or roll back",
            ),
        ),
    ),
    Watched(
        title="Monitors that read the books",
        dashboard=_PROCESSES,
        query="sum(monitor_elected)",
        legend="elected",
        alerts=(
            Alert(
                name="BooksUnread",
                when="(max(monitor_elected) or vector(0)) == 0 or time() - max(books_read_timestamp_seconds) > 60",
                holds="1m",
                severity=Severity.PAGE,
                notice="nothing; but the alerts on the books (`books_…`) are blind",
                look="the monitor's log: Postgres does not answer, or it is not running",
                do="bring Postgres back, start the monitor",
            ),
        ),
    ),
    Watched(
        title="Starts within half an hour",
        dashboard=_PROCESSES,
        query="sum by (job) (changes(process_start_time_seconds[30m]))",
        legend="{{job}}",
        alerts=(
            Alert(
                name="ProcessRestarts",
                when="> 3",
                severity=Severity.TICKET,
                notice="short pauses",
                look="the log before each start: `process exits` has the reason",
                do="by the reason; roll the last release back where it began with it",
            ),
        ),
    ),
    Watched(
        title="Versions",
        dashboard=_PROCESSES,
        query="max by (process, version) (books_processes)",
        legend="{{process}} {{version}}",
        alerts=(
            Alert(
                name="VersionsDiffer",
                when="count by (process) (max by (process, version) (books_processes)) > 1",
                holds="2h",
                severity=Severity.TICKET,
                notice="commands of the newer release are refused with `upgrade-in-progress`",
                look="`SELECT * FROM process_leases`: who runs which",
                do="finish the upgrade, or roll it back",
            ),
        ),
    ),
    Watched(
        title="CPU",
        dashboard=_PROCESSES,
        unit=Unit.SHARE,
        query="sum by (job) (rate(process_cpu_seconds_total[5m]))",
        legend="{{job}}",
    ),
    Watched(
        title="Memory",
        dashboard=_PROCESSES,
        unit=Unit.BYTES,
        query="max by (job) (process_resident_memory_bytes)",
        legend="{{job}}",
    ),
    Watched(
        title="Open files",
        dashboard=_PROCESSES,
        unit=Unit.SHARE,
        query="max by (job) (process_open_fds / process_max_fds)",
        legend="{{job}}",
    ),
    Watched(
        title="Alerts reach their receiver",
        dashboard=_PROCESSES,
        query="vector(1)",
        legend="watchdog",
        alerts=(
            Alert(
                name="Watchdog",
                when="vector(1)",
                severity=Severity.TICKET,
                notice="nothing: it fires always, and the receiver calls when it stops",
                look="Prometheus and Alertmanager",
                do="start them",
            ),
        ),
    ),
)
