"""Payments and the books."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_MONEY: Final = Dashboard.MONEY

ITEMS: Final = (
    Watched(
        title="Oldest unpaid payment",
        dashboard=_MONEY,
        unit=Unit.SECONDS,
        query='max by (provider, state) (books_unfinished_oldest_seconds{state="PENDING"})',
        legend="{{provider}}",
        alerts=(
            Alert(
                name="OldestUnfinished",
                when="> 5400",
                holds="5m",
                severity=Severity.PAGE,
                notice="a customer does not know whether the order is paid",
                look="`billing monitor`: provider, and the payment; `billing timeline PAYMENT`: what was asked last, and when",
                do="the provider is away: its status page, it is asked again by itself. It answers and the payment stays:"
                " `billing payment ask`, then `billing payment correct` by what its console shows",
            ),
        ),
    ),
    Watched(
        title="Oldest hold",
        dashboard=_MONEY,
        unit=Unit.SECONDS,
        query='max by (provider, state) (books_unfinished_oldest_seconds{state="AUTHORIZED"})',
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="HoldRunsOut",
                when="> 388800",
                holds="30m",
                severity=Severity.TICKET,
                notice="nothing yet; the hold is given back after its time, and the sale with it",
                look="`billing timeline PAYMENT`: whether the shop ever captured",
                do="ask the shop to capture or void",
            ),
        ),
    ),
    Watched(
        title="Unfinished payments",
        dashboard=_MONEY,
        query="max by (provider, state) (books_unfinished_payments)",
        legend="{{provider}} {{state}}",
    ),
    Watched(
        title="Oldest unknown outcome",
        dashboard=_MONEY,
        unit=Unit.SECONDS,
        query="max by (provider, type) (books_unknown_oldest_seconds)",
        legend="{{provider}} {{type}}",
        rare=True,
        alerts=(
            Alert(
                name="OutcomeUnknown",
                when="> 900",
                holds="5m",
                severity=Severity.TICKET,
                notice="the customer may have been charged and has no access, or the reverse",
                look="`billing providers list`; the provider's status page; `SELECT * FROM operations WHERE status = 'UNKNOWN'`",
                do="nothing while the provider is away: the question is repeated until it is answered",
            ),
            Alert(
                name="OutcomeUnknownForHours",
                when="> 21600",
                holds="5m",
                severity=Severity.PAGE,
                notice="as OutcomeUnknown, for hours",
                look="the order in the provider's console, by the operation's id",
                do="`billing payment ask`; where the provider does not know it either: `billing payment correct`",
            ),
        ),
    ),
    Watched(
        title="Overdue questions to providers",
        dashboard=_MONEY,
        query="max by (provider) (books_follow_ups_overdue) unless on (provider) books_provider_enabled == 0",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="FollowUpsOverdue",
                when="> 0",
                holds="10m",
                severity=Severity.TICKET,
                notice="payments stay unfinished longer than they have to",
                look='`billing status`: is a worker running? `stream_lag_messages{consumer="payments"}`: is the inbox behind?'
                " `provider_breaker`: a provider that is held back is asked once a second",
                do="bring a worker back; add workers where the inbox is behind",
            ),
        ),
    ),
    Watched(
        title="Status changes",
        dashboard=_MONEY,
        unit=Unit.PER_S,
        query="sum by (provider, to) (rate(payments_transitions_total[5m]))",
        legend="{{provider}} {{to}}",
    ),
    Watched(
        title="Approved share of first charges",
        dashboard=_MONEY,
        unit=Unit.SHARE,
        query='sum by (provider) (rate(payments_transitions_total{from="PENDING", to=~"AUTHORIZED|CAPTURED"}[1h]))'
        ' / sum by (provider) (rate(payments_transitions_total{from="PENDING"}[1h]))',
        legend="{{provider}}",
        alerts=(
            Alert(
                name="ApprovalFell",
                when='sum by (provider) (rate(payments_transitions_total{from="PENDING", to=~"AUTHORIZED|CAPTURED"}[1h]))'
                ' / sum by (provider) (rate(payments_transitions_total{from="PENDING"}[1h]))'
                ' < 0.7 * (sum by (provider) (rate(payments_transitions_total{from="PENDING", to=~"AUTHORIZED|CAPTURED"}[1h] offset 1d))'
                ' / sum by (provider) (rate(payments_transitions_total{from="PENDING"}[1h] offset 1d)))'
                ' and sum by (provider) (increase(payments_transitions_total{from="PENDING"}[1h])) > 50',
                holds="20m",
                severity=Severity.TICKET,
                notice="more customers than a day ago are declined or do not finish to pay",
                look="report `decline_reasons`; `provider_reasons_total` by `reason`; the last release",
                do="ask the provider; `billing providers disable` sends new payments elsewhere",
            ),
        ),
    ),
    Watched(
        title="Refused commands",
        dashboard=_MONEY,
        unit=Unit.PER_S,
        query="sum by (type, code) (rate(payments_refused_total[5m]))",
        legend="{{type}} {{code}}",
        rare=True,
    ),
    Watched(
        title="Refused share of a command",
        dashboard=_MONEY,
        unit=Unit.SHARE,
        query='sum by (type) (rate(payments_decisions_total{outcome="refused"}[10m]))'
        " / sum by (type) (rate(payments_decisions_total[10m]))",
        legend="{{type}}",
        rare=True,
        alerts=(
            Alert(
                name="CommandsRefused",
                when='sum by (type) (rate(payments_decisions_total{outcome="refused"}[10m]))'
                " / sum by (type) (rate(payments_decisions_total[10m])) > 0.05"
                " and sum by (type) (increase(payments_decisions_total[10m])) > 50",
                holds="10m",
                severity=Severity.TICKET,
                notice="a client sends what cannot be done",
                look="`payments_refused_total` by `code`; the journal has each refusal: `billing timeline PAYMENT`",
                do="tell the client's owners",
            ),
        ),
    ),
    Watched(
        title="Ledger: sum of the last entries",
        dashboard=_MONEY,
        unit=Unit.MINOR,
        query="max by (currency) (books_ledger_imbalance_minor)",
        legend="{{currency}}",
        rare=True,
        alerts=(
            Alert(
                name="LedgerUnbalanced",
                when="!= 0",
                severity=Severity.PAGE,
                notice="the books are wrong",
                look="`billing verify`: `posting_unbalanced` names the posting; who else may write to Postgres?",
                do="stop whatever wrote it. Restore the entry, or correct it by a reversing posting",
            ),
        ),
    ),
    Watched(
        title="Payments that contradict their provider",
        dashboard=_MONEY,
        query="max by (provider) (contradicted_payments)",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="PaymentsContradicted",
                when="> 0",
                holds="10m",
                severity=Severity.TICKET,
                notice="books and provider disagree on money of single payments",
                look="`billing verify` lists them as `contradicted`",
                do="as [The audit](#the-audit-billing-verify) says",
            ),
        ),
    ),
    Watched(
        title="Payments captured in another mode",
        dashboard=_MONEY,
        query="sum by (provider) (increase(payments_other_capture_mode_total[1h]))",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="CaptureModeDiffers",
                when="> 0",
                severity=Severity.TICKET,
                notice="charges come at once, or not until somebody captures, against what the shop asked",
                look="the log: `provider captures otherwise than the payment asked`; the provider's console",
                do="set the provider's `…_CAPTURE_MODE` (docs/providers.md) to what its console shows",
            ),
        ),
    ),
    Watched(
        title="Open discrepancies",
        dashboard=_MONEY,
        query="max by (provider, kind) (books_discrepancies_open)",
        legend="{{provider}} {{kind}}",
        rare=True,
    ),
    Watched(
        title="Amount of open discrepancies",
        dashboard=_MONEY,
        unit=Unit.MINOR,
        query="max by (provider, currency) (books_discrepancies_minor)",
        legend="{{provider}} {{currency}}",
        rare=True,
    ),
    Watched(
        title="Open approvals",
        dashboard=_MONEY,
        query="max by (state) (books_approvals_open)",
        legend="{{state}}",
        rare=True,
    ),
    Watched(
        title="Oldest request for a second person",
        dashboard=_MONEY,
        unit=Unit.SECONDS,
        query='max by (state) (books_approvals_oldest_seconds{state="waiting"})',
        legend="{{state}}",
        rare=True,
        alerts=(
            Alert(
                name="ApprovalWaits",
                when="> 14400",
                holds="5m",
                severity=Severity.TICKET,
                notice="a customer waits for a refund that somebody has promised; after 24 hours the request is over",
                look="the page *Approvals*: who asked for what, and why",
                do="somebody else than who asked approves or refuses it there",
            ),
        ),
    ),
    Watched(
        title="Oldest approved command that is not sent",
        dashboard=_MONEY,
        unit=Unit.SECONDS,
        query='max by (state) (books_approvals_oldest_seconds{state="not sent"})',
        legend="{{state}}",
        rare=True,
        alerts=(
            Alert(
                name="ApprovalNotSent",
                when="> 300",
                severity=Severity.TICKET,
                notice="two people have agreed, and the payment has not been told",
                look="the page *Approvals*, `not sent`; the log of admin: `the command is not acknowledged`. Does Kafka answer?",
                do="once Kafka answers: *Send* on the page of the request; it is the same command, however often it is sent",
            ),
        ),
    ),
)
