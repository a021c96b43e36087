"""Publishing to Kafka: messages are sent again until the broker has acknowledged them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from billing.messages import Envelope, Message
from billing.messages.topics import Topic
from runtime.kafka.clients import KAFKA_ERRORS, Producer
from runtime.retry import Retry


class OutboundMessage(msgspec.Struct, frozen=True):
    """One message to publish. ``value`` is an encoded envelope."""

    topic: str
    key: str
    value: msgspec.Raw
    partition: int | None = None


def outbound(
    topic: Topic,
    message: Message,
    *,
    id: str,
    source: str,
    time: datetime,
    actor: str | None = None,
    traceparent: str | None = None,
    key: str | None = None,
    partition: int | None = None,
) -> OutboundMessage:
    """A message in its envelope, keyed by its subject where no ``key`` is given. The other parameters are those of
    :class:`~billing.messages.Envelope`."""
    subject = str(message.subject_id)
    envelope = Envelope.wrap(
        message, id=id, source=source, subject=subject, time=time, actor=actor, traceparent=traceparent
    )
    return OutboundMessage(topic.name, key or subject, msgspec.Raw(envelope.encode()), partition)


class Publisher:
    """Publishes messages with ``acks=all``, in order per key, and retries until the broker has them."""

    def __init__(self, producer: Producer) -> None:
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
