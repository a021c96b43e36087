"""Calls to the providers, and callbacks from them."""

from typing import Final

from monitoring.watch.item import Alert, Dashboard, Severity, Unit, Watched

_PROVIDERS: Final = Dashboard.PROVIDERS

ITEMS: Final = (
    Watched(
        title="Calls by outcome",
        dashboard=_PROVIDERS,
        unit=Unit.PER_S,
        query="sum by (provider, outcome) (rate(provider_calls_total[5m]))",
        legend="{{provider}} {{outcome}}",
        on_page=True,
    ),
    Watched(
        title="Share of calls without an answer",
        dashboard=_PROVIDERS,
        unit=Unit.SHARE,
        query='sum by (provider) (increase(provider_calls_total{outcome=~"UNKNOWN|NOT_SENT"}[10m]))'
        " / sum by (provider) (increase(provider_calls_total[10m]))",
        legend="{{provider}}",
        on_page=True,
        alerts=(
            Alert(
                name="ProviderDoubtful",
                when='sum by (provider) (increase(provider_calls_total{outcome=~"UNKNOWN|NOT_SENT"}[10m]))'
                " / sum by (provider) (increase(provider_calls_total[10m])) > 0.05"
                " and sum by (provider) (increase(provider_calls_total[10m])) >= 20",
                holds="5m",
                severity=Severity.PAGE,
                notice="some customers cannot pay by this provider, or do not learn how it ended",
                look="`provider_reasons_total` by `reason`; the provider's status page",
                do="`billing providers disable NAME` sends new payments to the others; asked is again by itself",
            ),
        ),
    ),
    Watched(
        title="Time of a call, 95th percentile",
        dashboard=_PROVIDERS,
        unit=Unit.SECONDS,
        query="histogram_quantile(0.95, sum by (provider, le) (rate(provider_call_seconds_bucket[5m])))",
        legend="{{provider}}",
        on_page=True,
        alerts=(
            Alert(
                name="ProviderSlow",
                when="> 10",
                holds="10m",
                severity=Severity.TICKET,
                notice="payment pages open late",
                look="`provider_calls_in_flight`, `provider_calls_waiting`: do calls wait for each other?",
                do="raise `BILLING_PROVIDER_CONCURRENCY` where they wait; else the provider's status page",
            ),
        ),
    ),
    Watched(
        title="Share of workers that may call",
        dashboard=_PROVIDERS,
        unit=Unit.SHARE,
        query='avg by (provider) (provider_breaker{state="closed"})',
        legend="{{provider}}",
        alerts=(
            Alert(
                name="ProviderDown",
                when="< 0.5",
                holds="1m",
                severity=Severity.PAGE,
                notice="nobody can pay by this provider; new payments that name none go to the others",
                look="the worker's log: `breaker open` has the reason; the provider's status page",
                do="nothing: one call every 10 s shows whether it is back, and what was held back is sent then",
            ),
        ),
    ),
    Watched(
        title="Calls that our credentials did not open",
        dashboard=_PROVIDERS,
        query='sum by (provider) (increase(provider_reasons_total{reason="credentials"}[5m]))',
        legend="{{provider}}",
        alerts=(
            Alert(
                name="ProviderRefusesUs",
                when="> 0",
                severity=Severity.PAGE,
                notice="nobody can pay by this provider",
                look="the provider's console: was the key renewed, revoked, or does it run out?",
                do="renew the key in the settings of the workers; the calls are repeated by themselves",
            ),
        ),
    ),
    Watched(
        title="Why calls did not succeed",
        dashboard=_PROVIDERS,
        unit=Unit.PER_S,
        query="sum by (provider, reason) (rate(provider_reasons_total[5m]))",
        legend="{{provider}} {{reason}}",
    ),
    Watched(
        title="Calls under way",
        dashboard=_PROVIDERS,
        query="sum by (provider) (provider_calls_in_flight)",
        legend="{{provider}}",
    ),
    Watched(
        title="Requests that wait for a call to end",
        dashboard=_PROVIDERS,
        query="sum by (provider) (provider_calls_waiting)",
        legend="{{provider}}",
    ),
    Watched(
        title="Open operations",
        dashboard=_PROVIDERS,
        query="max by (provider, status) (open_operations)",
        legend="{{provider}} {{status}}",
    ),
    Watched(
        title="Switch",
        dashboard=_PROVIDERS,
        query="max by (provider) (books_provider_enabled)",
        legend="{{provider}}",
        rare=True,
    ),
    Watched(
        title="Callbacks",
        dashboard=_PROVIDERS,
        unit=Unit.PER_S,
        query="sum by (provider, result) (rate(callbacks_total[5m]))",
        legend="{{provider}} {{result}}",
    ),
    Watched(
        title="Callbacks rejected",
        dashboard=_PROVIDERS,
        query='sum by (provider) (increase(ingest_callbacks_total{result="rejected"}[10m]))',
        legend="{{provider}}",
        alerts=(
            Alert(
                name="CallbacksRejected",
                when="> 5",
                severity=Severity.TICKET,
                notice="nothing: payments are asked about instead, and end later",
                look="ingest's log: `callback rejected` has provider, reason and sender",
                do="a secret was changed on one side: make them equal (the table of log messages says where). Else somebody"
                " forges: nothing moves by it; block the sender",
            ),
        ),
    ),
    Watched(
        title="Oldest parked callback",
        dashboard=_PROVIDERS,
        unit=Unit.SECONDS,
        query="max by (provider) (books_parked_oldest_seconds)",
        legend="{{provider}}",
        rare=True,
        alerts=(
            Alert(
                name="CallbacksParked",
                when="> 3600",
                severity=Severity.TICKET,
                notice="nothing: no payment of ours is known by it",
                look="`SELECT * FROM parked_callbacks WHERE tries > 4`: another system on the same account?",
                do="nothing, if so: after three days it is a dead letter. Else `billing payment ask`",
            ),
        ),
    ),
)
