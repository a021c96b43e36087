"""Settings of the services that this one depends on. The local stack fills in URLs that are empty."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from runtime.settings.base import ComponentSettings


class PostgresSettings(ComponentSettings):
    """The database."""

    postgres_url: str = ""
    """``postgresql://user:password@host:port/database``. TLS: ``?sslmode=verify-full&sslrootcert=/path/ca.pem``, as
    libpq takes them; without ``sslrootcert`` the operating system's certificates are trusted."""


class KafkaSettings(ComponentSettings):
    """The brokers, TLS and credentials of every Kafka client, and the size of our topics."""

    kafka_url: str = ""
    """``host:port[,host:port]``"""
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

    @model_validator(mode="after")
    def _password_is_protected(self) -> Self:
        if self.kafka_user and self.kafka_mechanism == "PLAIN" and not self.kafka_tls_ca:
            raise ValueError("SASL PLAIN without TLS would send the password unprotected: set BILLING_KAFKA_TLS_CA")
        return self


class RabbitmqSettings(ComponentSettings):
    """The broker of the signals."""

    rabbitmq_url: str = ""
    """``amqp://user:password@host:port/vhost``. TLS: ``amqps://…?cafile=/path/ca.pem``."""


class ClickHouseSettings(ComponentSettings):
    """The analytics database."""

    clickhouse_url: str = ""
    """``http://user:password@host:port/database``. TLS: ``https://…?ca_cert=/path/ca.pem``."""
    clickhouse_cluster: str = ""
    """Name of the ClickHouse cluster that the schema is made on, Replicated and Distributed. Empty: one server."""
