"""Publishing to Kafka: what was decided goes out, however long the broker is away."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from billing.messages.topics import DEAD_LETTERS
from runtime.kafka.record import Incoming

log = structlog.get_logger(__name__)

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0


class Output(msgspec.Struct, frozen=True):
    """One message to publish. ``value`` is an encoded envelope."""

    topic: str
    key: str
    value: msgspec.Raw
    partition: int | None = None


class Outbox:
    """Publishes outputs with ``acks=all``, in order per key; tries again until the broker has them."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Return once the broker acknowledged all of them. A retry may double messages: they carry their ids."""
        delay = RETRY_FIRST_S
        while outputs:
            try:
                futures = [
                    await self._producer.send(o.topic, bytes(o.value), key=o.key.encode(), partition=o.partition)
                    for o in outputs
                ]
                await asyncio.gather(*futures)
            except (KafkaError, OSError) as error:
                log.warning("kafka is away, outputs wait", outputs=len(outputs), error=repr(error), retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
            else:
                return

    async def bury(self, consumer: str, topic: str, message: Incoming, cause: Exception) -> None:
        """Put a message that can never be processed aside, with its cause, its place and its bytes."""
        log.error(
            "dead letter",
            consumer=consumer,
            topic=topic,
            partition=message.partition,
            offset=message.offset,
            cause=repr(cause),
        )
        headers = [
            ("cause", f"{type(cause).__name__}: {cause}"[:2000].encode()),
            ("consumer", consumer.encode()),
            ("topic", topic.encode()),
            ("partition", str(message.partition).encode()),
            ("offset", str(message.offset).encode()),
        ]
        delay = RETRY_FIRST_S
        while True:
            try:
                await self._producer.send_and_wait(
                    DEAD_LETTERS.name, message.value, key=message.key, headers=[*headers, *message.headers]
                )
            except (KafkaError, OSError) as error:
                log.warning("kafka is away, a dead letter waits", error=repr(error), retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
            else:
                return
