"""Settings of the processes that serve HTTP to clients: ingest and admin."""

from ipaddress import ip_network
from pathlib import Path
from typing import Final

from pydantic import Field, IPvAnyNetwork, SecretStr

from runtime.settings.base import (
    BusinessSettings,
    ComponentSettings,
    MetricsSettings,
    ProcessSettings,
    TestClockSettings,
)
from runtime.settings.clearing import ClearingSettings
from runtime.settings.dependencies import ClickHouseSettings, KafkaSettings, PostgresSettings
from runtime.settings.sign_in import SignInSettings

#: This machine and networks that are not routed on the Internet.
_PRIVATE_NETWORKS: Final = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")


class ApiKeySettings(ComponentSettings):
    """The keys that API clients authenticate with."""

    api_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """API client name → SHA-256 (hex) of its key, as JSON: keys of our own, with all scopes and no rate limit.
    Clients' keys are made by `billing api-keys`."""
    api_keys_refresh_s: float = Field(5.0, gt=0, le=300)
    """Maximum delay before a new or revoked key takes effect."""


class IngestAddressSettings(ComponentSettings):
    """Where ingest is, and what is in front of it."""

    ingest_url: str = ""
    """Base URL of our own REST API."""
    ingest_host: str = "127.0.0.1"
    ingest_port: int = 8080
    ingest_trusted_proxies: list[str] = Field(default_factory=list)
    """Addresses and networks of the proxies before ingest, as JSON: their ``X-Forwarded-For`` tells who calls. The
    callbacks of a provider that does not sign are judged by that."""


class IngestSettings(
    ProcessSettings,
    MetricsSettings,
    PostgresSettings,
    KafkaSettings,
    BusinessSettings,
    TestClockSettings,
    ApiKeySettings,
    IngestAddressSettings,
):
    """The ingest process."""

    ingest_instance: int | None = Field(None, ge=0)
    """Picks this process' own partition of the replies topic. Unset: the lease in Postgres does."""
    client_rate_per_s: float = Field(200.0, gt=0)
    """Requests a second of an API client without a rate of its own."""
    ingest_processes: int | None = Field(None, ge=1)
    """How many ingest processes share the clients' rates. Unset: as many as hold a lease in Postgres."""
    ingest_head_timeout_s: float = Field(10.0, gt=0, le=60)
    """Seconds a client has to send a request's head."""
    ingest_body_timeout_s: float = Field(30.0, gt=0, le=300)
    """Seconds it has to send the body: with the head's, what a slow writer can hold a connection for."""
    ingest_connections: int = Field(4_096, ge=1)
    """Connections of clients at once; beyond them 503. Lowered to what the limit of open files leaves."""
    ingest_event_streams: int = Field(2_000, ge=1)
    """Event streams of one process at once; at most half of its connections, so that there are always places for
    commands, callbacks and probes. Each costs a connection and some KB."""
    ingest_event_streams_per_client: int = Field(500, ge=1)
    """Of one API client; beyond them 429."""
    ingest_metrics_networks: list[IPvAnyNetwork] = Field(
        default_factory=lambda: [ip_network(n) for n in _PRIVATE_NETWORKS]
    )
    """Networks, as JSON, from which `/metrics` of ingest's own port is answered, and only without a proxy in between; for
    all others it does not exist. ``[]``: for nobody; then Prometheus reads ``BILLING_METRICS_PORT``."""
    body_limit_bytes: int = Field(256 * 1024, ge=1024)
    ingest_ack_timeout_s: float = Field(1.5, gt=0, le=30)
    """How long a request waits for Kafka's acknowledgement before it is answered with 503."""
    wait_default_s: float = Field(10.0, ge=0, le=60)
    wait_max_s: float = Field(30.0, ge=0, le=60)
    routes_file: Path | None = None
    """TOML with the rules that choose the provider of a payment which names none; docs/providers.md. Empty: all of
    them, in the order in which they are registered."""
    payment_ttl_s: int = Field(1800, ge=180, le=604_800)
    """How long an unpaid payment stays open."""


class AdminSettings(
    ProcessSettings,
    MetricsSettings,
    ClearingSettings,
    KafkaSettings,
    BusinessSettings,
    ClickHouseSettings,
    ApiKeySettings,
    IngestAddressSettings,
    SignInSettings,
):
    """The admin process: pages for people, the analytics API, clearing. It is behind the same proxies as ingest."""

    alertmanager_url: str = ""
    """Alertmanager's base URL: /monitor shows the alerts that fire, and people acknowledge them. Empty: there is none."""
    prometheus_url: str = ""
    """Prometheus' base URL: /monitor shows what processes tell of themselves. Empty: there is none."""
    admin_host: str = "127.0.0.1"
    admin_port: int = 8070
    admin_session_s: int = Field(12 * 3600, ge=60, le=86_400)
    """After how long a session of a person ends, however it is used. Without use it ends after 30 minutes, of finance and
    admin after 15."""
    admin_support_limit: dict[str, int] = Field(default_factory=dict)
    """By currency, as JSON, minor units: up to this, support refunds without a second person. Other currencies: 0."""
    admin_approval_above: dict[str, int] = Field(
        default_factory=lambda: {"RUB": 5_000_000, "KZT": 25_000_000, "USD": 50_000, "EUR": 50_000}
    )
    """By currency, as JSON, minor units: what is given back above this needs a second person. Other currencies: 0."""
    admin_daily_above: dict[str, int] = Field(
        default_factory=lambda: {"RUB": 20_000_000, "KZT": 100_000_000, "USD": 200_000, "EUR": 200_000}
    )
    """The same of all that one person gives back within 24 hours. Other currencies: 0."""
    admin_head_timeout_s: float = Field(10.0, gt=0, le=60)
    """Seconds a client has to send a request's head."""
    admin_body_timeout_s: float = Field(10.0, gt=0, le=300)
    """Seconds it has to send the body: a form, or a decision."""
    admin_connections: int = Field(512, ge=1)
    """Connections of clients at once; beyond them 503. Lowered to what the limit of open files leaves."""
