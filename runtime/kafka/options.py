"""How the service's processes talk to Kafka, as plain data: a client is made from it where it is used."""

from typing import Any, Final

from aiokafka.errors import KafkaError

from runtime.settings import Settings

#: What a client raises while the brokers do not answer.
KAFKA_ERRORS: Final = (KafkaError, OSError)

#: A batch per partition: large enough for a burst, small enough to bound memory while the broker is away.
MAX_BATCH_BYTES: Final = 256 * 1024
#: The largest message: a cart of 100 items with everything in it stays far below.
MAX_MESSAGE_BYTES: Final = 1024 * 1024
#: One request to the broker, milliseconds. A broker that needs longer is treated as gone and asked again.
REQUEST_TIMEOUT_MS: Final = 10_000
RETRY_BACKOFF_MS: Final = 100


def producer_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of an ``AIOKafkaProducer`` whose acknowledgement means stored: every replica in sync has it,
    and the producer's own retries do not double it."""
    return {
        "bootstrap_servers": settings.kafka_url,
        "acks": "all",
        "enable_idempotence": settings.kafka_idempotence,
        "max_batch_size": MAX_BATCH_BYTES,
        "max_request_size": MAX_MESSAGE_BYTES,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS,
    }
