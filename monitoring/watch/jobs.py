"""The scheduler's jobs: renewals, clearing, the daily record."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_JOBS: Final = Dashboard.JOBS

ITEMS: Final = (
    Watched(
        title="Since the last run of a task",
        dashboard=_JOBS,
        unit=Unit.SECONDS,
        query="time() - max by (task) (scheduler_last_run_timestamp_seconds)",
        legend="{{task}}",
        alerts=(
            Alert(
                name="JobMissed",
                # Over a day: a scheduler that is dead tells nothing, and what it told last has to count.
                when="time() - max by (task) ("
                'max_over_time(scheduler_last_run_timestamp_seconds{task=~"renew|clear"}[1d])) > 600',
                severity=Severity.PAGE,
                notice="renewals are charged late; access outlasts a period by three days",
                look="the scheduler's log: `job failed`; is it running?",
                do="bring back what the log names; start the scheduler. What is due stays due",
            ),
            Alert(
                name="DailyRecordMissed",
                when='time() - max(books_job_finished_timestamp_seconds{name="daily_record"}) > 93600',
                severity=Severity.TICKET,
                notice="nothing: the date is made up for",
                look="the scheduler's log: `job failed`",
                do="as JobMissed",
            ),
        ),
    ),
    Watched(
        title="Renewals braked",
        dashboard=_JOBS,
        query="max(renewals_braked)",
        legend="braked",
        alerts=(
            Alert(
                name="RenewalsBraked",
                when="== 1",
                severity=Severity.PAGE,
                notice="no subscription is renewed; access outlasts a period by three days",
                look="`billing renewals status`: the reason",
                do="as [Renewals](#renewals) says: look, then `billing renewals release`",
            ),
        ),
    ),
    Watched(
        title="Since when the oldest renewal is due",
        dashboard=_JOBS,
        unit=Unit.SECONDS,
        query="max(renewals_oldest_due_seconds)",
        legend="due",
        alerts=(
            Alert(
                name="RenewalsLate",
                when="> 7200",
                holds="10m",
                severity=Severity.TICKET,
                notice="subscriptions are charged late",
                look="`billing renewals status`: a provider that is off or held back, no worker, or more due than"
                " `BILLING_RENEWALS_PER_S` lets through",
                do="raise `BILLING_RENEWALS_PER_S`, or bring back what is missing",
            ),
        ),
    ),
    Watched(
        title="Renewals due",
        dashboard=_JOBS,
        query="max by (provider) (renewals_due)",
        legend="{{provider}}",
        rare=True,
    ),
    Watched(
        title="How the last renewals ended",
        dashboard=_JOBS,
        query="max by (provider, how) (renewal_attempts_recent)",
        legend="{{provider}} {{how}}",
        rare=True,
        alerts=(
            Alert(
                name="RenewalsFailByUs",
                when='max by (provider) (renewal_attempts_recent{how="OURS"}) > 10',
                holds="10m",
                severity=Severity.TICKET,
                notice="nothing: our faults use up no try",
                look="the journal of such a payment has the reason: credentials, our request, the provider",
                do="mend it; the charges are tried again",
            ),
        ),
    ),
    Watched(
        title="Suspect statements",
        dashboard=_JOBS,
        query="max by (provider) (clearing_suspect)",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="StatementSuspect",
                when="== 1",
                severity=Severity.TICKET,
                notice="nothing; later days of this provider wait",
                look="`billing clearing show`: the reason names both sides",
                do="as [Clearing](#clearing) says: mend the source, or `billing clearing run --believe`",
            ),
        ),
    ),
    Watched(
        title="Faults of clearing",
        dashboard=_JOBS,
        query="sum by (provider) (increase(clearing_failures_total[1h]))",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="ClearingFails",
                when="> 0",
                severity=Severity.TICKET,
                notice="nothing; days of this provider are not cleared",
                look="the scheduler's log: `clearing failed`",
                do="a fault in our code: the run is tried again by itself",
            ),
        ),
    ),
    Watched(
        title="Days not cleared",
        dashboard=_JOBS,
        query="max by (provider) (clearing_days_overdue)",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="ClearingOverdue",
                when="> 1",
                holds="1d",
                severity=Severity.TICKET,
                notice="nothing; differences with the provider are found late",
                look="`billing clearing show`: the reason",
                do="as [Clearing](#clearing) says: ask the provider for the statement",
            ),
        ),
    ),
    Watched(
        title="Not explained of the clearing account",
        dashboard=_JOBS,
        unit=Unit.MINOR,
        query="max by (provider, currency) (clearing_unexplained_minor)",
        legend="{{provider}} {{currency}}",
        rare=True,
        alerts=(
            Alert(
                name="ClearingUnexplained",
                when="!= 0",
                holds="1d",
                severity=Severity.TICKET,
                notice="the first open day of the books cannot be closed",
                look="`billing clearing tie-out`",
                do="as [Clearing](#clearing) says",
            ),
        ),
    ),
    Watched(
        title="Oldest open discrepancy",
        dashboard=_JOBS,
        unit=Unit.SECONDS,
        query="max by (severity) (clearing_oldest_open_seconds)",
        legend="{{severity}}",
        alerts=(
            Alert(
                name="DiscrepancyCritical",
                when='max(clearing_oldest_open_seconds{severity="critical"}) > 3600',
                severity=Severity.PAGE,
                notice="money of customers or ours is wrong by an amount that matters",
                look="`billing clearing discrepancies list`: the most urgent first",
                do="`billing clearing discrepancies claim`, then [decide](clearing.md#decide)",
            ),
            Alert(
                name="DiscrepancyHigh",
                when='max(clearing_oldest_open_seconds{severity="high"}) > 86400',
                severity=Severity.TICKET,
                notice="as DiscrepancyCritical, of less",
                look="as DiscrepancyCritical",
                do="as DiscrepancyCritical",
            ),
        ),
    ),
    Watched(
        title="Lost callbacks of the last cleared day",
        dashboard=_JOBS,
        query="sum by (provider) (clearing_lost_callbacks)",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="CallbacksLost",
                when="sum by (provider) (clearing_lost_callbacks) > 20"
                " and sum by (provider) (clearing_lost_callbacks) > 0.005 * sum by (provider) (clearing_movements)",
                severity=Severity.TICKET,
                notice="payments end later: the ends were learnt by asking",
                look="report `lost_callbacks`; `ingest_requests_total` of the callback path",
                do="the callback URL in the provider's console, its certificate, the firewall",
            ),
        ),
    ),
    Watched(
        title="Events of clearing wait for",
        dashboard=_JOBS,
        unit=Unit.SECONDS,
        query="max(clearing_events_late_seconds)",
        legend="late",
        alerts=(
            Alert(
                name="ClearingEventsLate",
                when="> 120",
                holds="1m",
                severity=Severity.TICKET,
                notice="others learn late what clearing found",
                look="the scheduler's log: `retrying` with `publish`",
                do="bring Kafka back; `deploy/kafka/acls.sh` where the scheduler may not write the topic",
            ),
        ),
    ),
    Watched(
        title="Since a day of the books was closed",
        dashboard=_JOBS,
        unit=Unit.SECONDS,
        query="time() - (max(books_last_close_timestamp_seconds) > 0)",
        legend="closed",
        rare=True,
        alerts=(
            Alert(
                name="BooksNotClosed",
                when="> 129600",
                severity=Severity.TICKET,
                notice="nothing; the accounts of yesterday may still change",
                look="`billing clearing close` says why the day cannot be closed",
                do="as [The books' days](#the-books-days-billing-clearing-close-tie-out-trial-balance) says",
            ),
        ),
    ),
)
