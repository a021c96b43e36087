"""Correct how an operation ended, where a provider's console or statement shows what its API does not."""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import msgspec
from aiokafka import TopicPartition

from backoffice.operators import ActionRefused, Operator, recorded
from billing.messages import CorrectPayment, Envelope, Reply, ReplyTo, decode_envelope
from billing.messages.catalogue import BASELINE_TYPES
from billing.messages.topics import INBOX, REPLIES
from runtime.clock import utc_now
from runtime.kafka.clients import new_consumer, new_producer
from runtime.postgres import connected
from runtime.settings import KafkaSettings, Settings
from storage.operator_actions import Outcome
from storage.processes.leases import is_understood

#: Seconds to wait for the payment's reply.
REPLY_TIMEOUT_S: Final = 30.0
#: Each caller finds its reply by correlation id, so any partition serves.
REPLY_PARTITION: Final = 0


async def correct(
    settings: Settings, operator: Operator, payment_id: UUID, operation_id: UUID, *, succeeded: bool
) -> Reply | None:
    """Record how an operation really ended. Postings that contradict it are reversed, never erased.

    Returns the payment's reply, which may be a refusal; ``None`` if there is none within 30 s. The command is stored
    in Kafka by then and will be processed.
    """
    command = CorrectPayment(payment_id, uuid4(), operation_id, succeeded, operator.name, operator.reason)
    async with (
        connected(settings) as engine,
        recorded(
            engine,
            operator,
            "correct_operation",
            "payment",
            str(payment_id),
            operation=operation_id,
            succeeded=succeeded,
            correction=command.correction_id,
        ) as record,
    ):
        async with engine.connect() as connection:
            if command.TYPE not in BASELINE_TYPES and not await is_understood(connection, command.TYPE):
                raise ActionRefused("upgrade-in-progress: a running worker does not know this command yet")
        reply = await _send(settings, command)
        if reply is None:
            record.outcome = Outcome.UNANSWERED
        elif reply.refusal is not None:
            record.outcome = Outcome.REFUSED
            record.details |= {"code": reply.refusal.code, "detail": reply.refusal.detail}
    return reply


async def _send(settings: KafkaSettings, command: CorrectPayment) -> Reply | None:
    """Store the command in Kafka and wait for its reply."""
    correlation_id, subject = str(uuid4()), str(command.payment_id)
    command = msgspec.structs.replace(command, reply_to=ReplyTo(REPLY_PARTITION, correlation_id))
    envelope = Envelope.wrap(
        command,
        id=str(command.correction_id),
        source="/cli",
        subject=subject,
        time=utc_now(),
        actor=f"operator:{command.operator}",
    )
    replies = TopicPartition(REPLIES.name, REPLY_PARTITION)
    async with new_consumer(settings) as consumer:
        consumer.assign([replies])
        await consumer.seek_to_end(replies)
        await consumer.position(replies)  # seeks are lazy: without it a quick reply could come before the seek
        async with new_producer(settings) as producer:
            await producer.send_and_wait(INBOX.name, envelope.encode(), key=subject.encode())
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                async for record in consumer:
                    if record.key == correlation_id.encode():
                        reply = decode_envelope(record.value).open()
                        assert isinstance(reply, Reply)
                        return reply
    return None
