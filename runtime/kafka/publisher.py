"""Publishing to Kafka: messages are sent again until the broker has acknowledged them."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaProducer

from billing.messages.topics import DEAD_LETTERS
from runtime.kafka.options import KAFKA_ERRORS
from runtime.kafka.record import Incoming
from runtime.retry import Retry

log = structlog.get_logger(__name__)


class OutboundMessage(msgspec.Struct, frozen=True):
    """One message to publish. ``value`` is an encoded envelope."""

    topic: str
    key: str
    value: msgspec.Raw
    partition: int | None = None


class Publisher:
    """Publishes messages with ``acks=all``, in order per key, and retries until the broker has them."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, outputs: Sequence[OutboundMessage]) -> None:
        """Return once the broker acknowledged all of them. A retry may double messages: they carry their ids."""

        async def send() -> None:
            futures = [
                await self._producer.send(o.topic, bytes(o.value), key=o.key.encode(), partition=o.partition)
                for o in outputs
            ]
            await asyncio.gather(*futures)

        await Retry("publish", KAFKA_ERRORS).run(send, messages=len(outputs))


class DeadLetterWriter:
    """Writes messages that can never be processed to ``billing.dead-letters``."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def write(self, consumer: str, topic: str, message: Incoming, cause: Exception) -> None:
        """Return once the broker has the message's bytes with its cause and position. Retries until it does."""
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

        async def send() -> None:
            await self._producer.send_and_wait(
                DEAD_LETTERS.name, message.value, key=message.key, headers=[*headers, *message.headers]
            )

        await Retry("write dead letter", KAFKA_ERRORS).run(send)
