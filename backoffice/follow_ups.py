"""Status inquiries on demand: queries a provider about open operations now, ahead of their schedule."""

from collections.abc import Iterable
from uuid import UUID

from backoffice.operators import Operator, recorded
from backoffice.sender import Sender
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher
from runtime.postgres import connected
from runtime.settings import AdminSettings, KafkaSettings, Settings
from storage.payments.follow_ups import questions
from streams.payments.follow_ups import follow_up_message


async def query_provider(
    settings: Settings | AdminSettings, operator: Operator, payment_id: UUID, sender: Sender | None = None
) -> int:
    """Query every provider where the payment has an order, whatever its status, and follow up what is open; returns how
    many questions that is, 0 for an unknown payment. The answers arrive in the background; the payment's timeline shows
    them. ``sender``: of a process that keeps one."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "query_provider", "payment", str(payment_id)) as record,
    ):
        async with engine.connect() as connection:
            operations = await questions(connection, payment_id)
        await send_follow_ups(settings, operations, by=operator, sender=sender)
        record.details["operations"] = len(operations)
    return len(operations)


async def send_follow_ups(
    settings: KafkaSettings,
    operations: Iterable[tuple[UUID, UUID, int]],
    *,
    by: Operator | None = None,
    sender: Sender | None = None,
) -> None:
    """Store a follow-up in Kafka for each operation: (payment id, operation id, follow-ups so far). Returns once the
    broker has all of them. ``by``: the person who asks; what a person asks is sent whatever the schedule."""
    name, reason = (None, None) if by is None else (by.name, by.reason)
    messages = [
        follow_up_message(*operation, utc_now(), on_demand=by is not None, operator=name, reason=reason)
        for operation in operations
    ]
    if sender is not None:
        await sender.publish(messages)
        return
    async with new_producer(settings) as producer:
        await Publisher(producer).publish(messages)
