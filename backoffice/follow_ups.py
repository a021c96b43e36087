"""Status inquiries on demand: queries a provider about open operations now, ahead of their schedule."""

from collections.abc import Iterable
from uuid import UUID

from backoffice.operators import Operator, recorded
from runtime.clock import utc_now
from runtime.kafka.clients import new_producer
from runtime.kafka.publisher import Publisher
from runtime.postgres import connected
from runtime.settings import KafkaSettings, Settings
from storage.payments.follow_ups import open_operations
from streams.payments.follow_ups import follow_up_message


async def query_provider(settings: Settings, operator: Operator, payment_id: UUID) -> int:
    """Query the provider about every open operation of a payment; returns how many there are. The answers arrive in
    the background; the payment's timeline shows them."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, "query_provider", "payment", str(payment_id)) as record,
    ):
        async with engine.connect() as connection:
            operations = await open_operations(connection, payment_id)
        await send_follow_ups(settings, operations)
        record.details["operations"] = len(operations)
    return len(operations)


async def send_follow_ups(settings: KafkaSettings, operations: Iterable[tuple[UUID, UUID, int]]) -> None:
    """Store a follow-up in Kafka for each operation: (payment id, operation id, follow-ups so far). Returns once the
    broker has all of them."""
    messages = [follow_up_message(*operation, utc_now()) for operation in operations]
    async with new_producer(settings) as producer:
        await Publisher(producer).publish(messages)
