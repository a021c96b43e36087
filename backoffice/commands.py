"""Send an operator's command to its agent, and wait for the reply."""

import asyncio
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID, uuid4

import msgspec
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.operators import ActionRecord, ActionRefused
from billing.messages import Envelope, Message, Reply, ReplyTo, decode_envelope
from billing.messages.catalogue import BASELINE_TYPES
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import SubscriptionReply
from billing.messages.topics import REPLIES, Topic
from billing.payments.guard import Guarded
from runtime.clock import utc_now
from runtime.kafka.clients import new_consumer, new_producer
from runtime.settings import KafkaSettings
from storage.operator_actions import Outcome
from storage.processes.leases import is_understood

C = TypeVar("C", Guarded, SubscriptionCommand)
R = TypeVar("R", Reply, SubscriptionReply)

SOURCE: Final = "/cli"
#: Seconds to wait for the reply.
REPLY_TIMEOUT_S: Final = 30.0
#: Each caller finds its reply by correlation id, so any partition serves.
REPLY_PARTITION: Final = 0


async def require_understood(engine: AsyncEngine, kind: type[Message]) -> None:
    """Raise :class:`ActionRefused` while a worker runs that does not know the command."""
    async with engine.connect() as connection:
        if kind.TYPE not in BASELINE_TYPES and not await is_understood(connection, kind.TYPE):
            raise ActionRefused("upgrade-in-progress: a running worker does not know this command yet")


def enveloped(command: Guarded | SubscriptionCommand, id: UUID, operator: str, source: str) -> Envelope:
    """The message of an operator's command."""
    actor = f"operator:{operator}"
    return Envelope.wrap(
        command, id=str(id), source=source, subject=str(command.subject_id), time=utc_now(), actor=actor
    )


async def send(
    settings: KafkaSettings,
    topic: Topic,
    command: C,
    id: UUID,
    operator: str,
    kind: type[R],
    wait_s: float | None = None,
) -> R | None:
    """Store one command in Kafka as message ``id``; its reply, ``None`` if there is none within ``wait_s`` seconds, by
    default :data:`REPLY_TIMEOUT_S`. It is processed all the same. A process that sends many keeps a
    :class:`~backoffice.sender.Sender`. Raises one of :data:`~runtime.kafka.clients.KAFKA_ERRORS`
    where the broker does not acknowledge it."""
    correlation_id = str(uuid4())
    command = msgspec.structs.replace(command, reply_to=ReplyTo(REPLY_PARTITION, correlation_id))
    envelope = enveloped(command, id, operator, SOURCE)
    replies = TopicPartition(REPLIES.name, REPLY_PARTITION)
    async with new_consumer(settings) as consumer:
        consumer.assign([replies])
        await consumer.seek_to_end(replies)
        await consumer.position(replies)  # seeks are lazy: without it a quick reply could come before the seek
        async with new_producer(settings) as producer:
            await producer.send_and_wait(topic.name, envelope.encode(), key=envelope.subject.encode())
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLY_TIMEOUT_S if wait_s is None else wait_s):
                async for record in consumer:
                    if record.key == correlation_id.encode():
                        reply = decode_envelope(record.value).open()
                        assert isinstance(reply, kind)
                        return reply
    return None


def note(record: ActionRecord, reply: Reply | SubscriptionReply | None) -> None:
    """Write into the operator's record how the command ended."""
    if reply is None:
        record.outcome = Outcome.UNANSWERED
    elif reply.refusal is not None:
        record.outcome = Outcome.REFUSED
        record.details |= {"code": reply.refusal.code, "detail": reply.refusal.detail}
