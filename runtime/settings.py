"""Every setting of the service, in one place. Read from the environment with the prefix ``BILLING_``, else from files
below ``/run/secrets``."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Where Docker, Podman and Kubernetes mount secrets: a file for each setting, its name in lower case.
SECRETS_DIR: Final = Path("/run/secrets")


class Settings(BaseSettings):
    """Times end in their unit (``_s``, ``_ms``); URLs left empty are filled in by the local stack."""

    model_config = SettingsConfigDict(
        env_prefix="BILLING_", extra="ignore", secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None
    )

    # where things are
    state_dir: Path = Path(".billing")
    postgres_url: str = ""
    """``postgresql://user:password@host:port/database``. TLS: ``?sslmode=verify-full&sslrootcert=/path/ca.pem``, as
    libpq takes them; without ``sslrootcert`` the operating system's certificates are trusted."""
    kafka_url: str = ""
    """``host:port[,host:port]``"""
    rabbitmq_url: str = ""
    """``amqp://user:password@host:port/vhost``. TLS: ``amqps://…?cafile=/path/ca.pem``."""
    clickhouse_url: str = ""
    """``http://user:password@host:port/database``. TLS: ``https://…?ca_cert=/path/ca.pem``."""
    clickhouse_cluster: str = ""
    """Name of the ClickHouse cluster that the schema is made on, Replicated and Distributed. Empty: one server."""
    ingest_url: str = ""
    """Base URL of our own REST API."""
    sandbox_url: str = ""
    """Base URL of the provider sandbox."""

    # Kafka
    kafka_tls_ca: str = ""
    """Path of the CA file that signed the brokers' certificates, or ``system``: TLS. Empty: no TLS."""
    kafka_user: str = ""
    """User for SASL. Empty: no authentication."""
    kafka_password: SecretStr = SecretStr("")
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the user authenticates. PLAIN sends the password as it is, and so needs TLS."""
    kafka_idempotence: bool = True
    """Off only for a broker that refuses idempotent producers (Tansu)."""
    kafka_partitions: int = Field(12, ge=1, le=1000)
    kafka_replication: int = Field(1, ge=1, le=5)

    # local stack
    local_kafka: Literal["auto", "apache", "tansu"] = "auto"
    """Which broker `billing up` starts: Apache Kafka where there is Java, else the in-memory Tansu."""
    local_parts: str = ""
    """Start only these, by name with commas between: ``kafka,postgres``. Empty: all."""
    local_clickhouse_port: int = 8123
    local_clickhouse_password: SecretStr = SecretStr("")

    # processes
    revision: str = ""
    """Source revision that the image was built from; the image sets it."""
    log_level: Literal["debug", "info", "warning"] = "info"
    """``debug``: what is said to providers and by them too, masked; by default only of calls that went wrong."""
    heartbeat_file: Path | None = None
    """Touched every second by a worker or sink that is at work; the supervisor reads its age."""

    # ingest
    ingest_host: str = "127.0.0.1"
    ingest_port: int = 8080
    ingest_trusted_proxies: list[str] = Field(default_factory=list)
    """Addresses and networks of the proxies before ingest, as JSON: their ``X-Forwarded-For`` tells who calls. The
    callbacks of a provider that does not sign are judged by that."""
    ingest_instance: int | None = Field(None, ge=0)
    """Picks this process' own partition of the replies topic. Unset: the lease in Postgres does."""
    api_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """API client name → SHA-256 (hex) of its key, as JSON: keys of our own, with all scopes and no rate limit.
    Clients' keys are made by `billing api-keys`."""
    api_keys_refresh_s: float = Field(5.0, gt=0, le=300)
    """Maximum delay before a new or revoked key takes effect."""
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
    body_limit_bytes: int = Field(256 * 1024, ge=1024)
    ingest_ack_timeout_s: float = Field(1.5, gt=0, le=30)
    """How long a request waits for Kafka's acknowledgement before it is answered with 503."""
    wait_default_s: float = Field(10.0, ge=0, le=60)
    wait_max_s: float = Field(30.0, ge=0, le=60)

    # payments
    routes_file: Path | None = None
    """TOML with the rules that choose the provider of a payment which names none; docs/providers.md. Empty: all of
    them, in the order in which they are registered."""
    payment_ttl_s: int = Field(1800, ge=180, le=604_800)
    """How long an unpaid payment stays open."""

    # providers
    provider_timeout_s: float = Field(15.0, gt=0)
    """Deadline of one provider call."""
    provider_concurrency: int = Field(64, ge=1)
    """Calls under way at once, per provider and process."""

    # sandbox
    sandbox_callback_url: str = ""
    """Where the sandbox sends callbacks: the base of our webhooks, before ``/<provider>`` and the provider's own path."""
    sandbox_retry_max_s: float = Field(5.0, gt=0)
    """Longest pause between two deliveries of a callback; the real provider goes up to 15 minutes."""
    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = 8090

    # admin: reports in a browser, the analytics API
    admin_host: str = "127.0.0.1"
    admin_port: int = 8070
    admin_secret: SecretStr = SecretStr("")
    """Signs the cookies of who is signed in; the same for all processes. Empty: a new one at every start."""
    admin_session_s: int = Field(8 * 3600, ge=60, le=30 * 86_400)
    """How long somebody stays signed in."""

    # sinks
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65_535)
    """Port of the Prometheus endpoint of a worker or sink, at `/metrics`; 0 disables it. Ingest serves it at its own port."""

    # streams
    batch_max: int = Field(500, ge=1, le=10_000)
    """Messages in one transaction of the payments agent."""
    stall_s: float = Field(60.0, gt=0)
    """Backlog without progress for this long: the process leaves and is started again."""

    @model_validator(mode="after")
    def _password_is_protected(self) -> Self:
        if self.kafka_user and self.kafka_mechanism == "PLAIN" and not self.kafka_tls_ca:
            raise ValueError("SASL PLAIN without TLS would send the password unprotected: set BILLING_KAFKA_TLS_CA")
        return self
