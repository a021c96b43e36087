"""How much of the subscriptions' inbox their agent has not processed yet."""

from collections.abc import Awaitable, Callable

from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages.topics import SUBSCRIPTIONS
from runtime.kafka import clients
from storage.streams.positions import Consumer, next_offsets

#: How many messages the agent has not processed.
Waiting = Callable[[], Awaitable[int]]


def waiting_in_inbox(producer: clients.Producer, consumer: clients.Consumer, engine: AsyncEngine) -> Waiting:
    """Count them by the ends of the partitions in Kafka and the positions in Postgres."""

    async def waiting() -> int:
        partitions = await producer.partitions_for(SUBSCRIPTIONS.name)
        ends = await consumer.end_offsets([TopicPartition(SUBSCRIPTIONS.name, number) for number in partitions])
        async with engine.connect() as connection:
            positions = await next_offsets(connection, Consumer.SUBSCRIPTIONS, SUBSCRIPTIONS.name)
        return sum(max(0, end - positions.get(place.partition, 0)) for place, end in ends.items())

    return waiting
