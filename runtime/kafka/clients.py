"""Kafka clients, made here alone: every one gets the same brokers, TLS and credentials."""

import ssl
from typing import Any, Final

from aiokafka import AIOKafkaConsumer as Consumer
from aiokafka.admin import AIOKafkaAdminClient as AdminClient
from aiokafka.errors import KafkaError

from runtime.kafka.producer import Producer
from runtime.settings import KafkaSettings

__all__ = [
    "KAFKA_ERRORS",
    "AdminClient",
    "Consumer",
    "Producer",
    "new_admin_client",
    "new_consumer",
    "new_producer",
    "security",
]

#: What a client raises while the brokers do not answer.
KAFKA_ERRORS: Final = (KafkaError, OSError)
#: Instead of the path of a CA file: the certificates that the operating system trusts.
SYSTEM_CAS: Final = "system"
#: A batch per partition: large enough for a burst, small enough to bound memory while no broker answers.
MAX_BATCH_BYTES: Final = 256 * 1024
#: The largest message: a cart of 100 items with everything in it stays far below.
MAX_MESSAGE_BYTES: Final = 1024 * 1024
#: One request to the broker, milliseconds. A broker that needs longer is treated as gone and asked again.
REQUEST_TIMEOUT_MS: Final = 10_000
RETRY_BACKOFF_MS: Final = 100


def new_producer(settings: KafkaSettings, **options: Any) -> Producer:
    """A producer whose acknowledgement means stored: every replica in sync has the message, and the producer's own
    retries do not double it. Not connected yet."""
    defaults = {
        "acks": "all",
        "enable_idempotence": settings.kafka_idempotence,
        "max_batch_size": MAX_BATCH_BYTES,
        "max_request_size": MAX_MESSAGE_BYTES,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS,
    }
    return Producer(**_connection(settings), **defaults | options)


def new_consumer(settings: KafkaSettings, *topics: str, **options: Any) -> Consumer:
    """A consumer that commits nothing by itself: positions are in Postgres. Not connected yet."""
    return Consumer(*topics, **_connection(settings), **{"enable_auto_commit": False} | options)


def new_admin_client(settings: KafkaSettings) -> AdminClient:
    """A client for topics and groups. Not connected yet."""
    return AdminClient(**_connection(settings))


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments of aiokafka's clients for TLS and SASL; empty where neither is set."""
    found: dict[str, Any] = {}
    if settings.kafka_tls_ca:
        cafile = None if settings.kafka_tls_ca == SYSTEM_CAS else settings.kafka_tls_ca
        found = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context(cafile=cafile)}
    if settings.kafka_user:
        found |= {
            "security_protocol": "SASL_SSL" if settings.kafka_tls_ca else "SASL_PLAINTEXT",
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return found


def _connection(settings: KafkaSettings) -> dict[str, Any]:
    return {"bootstrap_servers": settings.kafka_url, **security(settings)}
