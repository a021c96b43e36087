"""A command to a payment from the command line, and the payment's answer."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from billing.messages import CorrectPayment, Envelope, Reply, ReplyTo, decode_envelope
from billing.messages.topics import INBOX, REPLIES
from runtime.kafka.options import producer_options
from runtime.settings import Settings

ANSWER_S: Final = 30.0
#: Replies carry the id of who waits: in whose partition they come does not matter to those who read it.
PARTITION: Final = 0


async def say(settings: Settings, message: CorrectPayment, actor: str, now: datetime) -> Reply | None:
    """Store the command in Kafka and wait for its answer; ``None`` when there is none within 30 s."""
    correlation_id = str(uuid4())
    replies = TopicPartition(REPLIES.name, PARTITION)
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_url) as consumer:
        consumer.assign([replies])
        await consumer.seek_to_end(replies)
        await consumer.position(replies)  # from here on nothing is missed
        command = msgspec.structs.replace(message, reply_to=ReplyTo(PARTITION, correlation_id))
        subject = str(message.payment_id)
        envelope = Envelope.wrap(
            command, id=str(message.correction_id), source="/cli", subject=subject, time=now, actor=actor
        )
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            await producer.send_and_wait(INBOX.name, envelope.encode(), key=subject.encode())
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                async for record in consumer:
                    if record.key == correlation_id.encode():
                        reply = decode_envelope(record.value).open()
                        assert isinstance(reply, Reply)
                        return reply
    return None
