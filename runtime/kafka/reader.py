"""Reading whole topics without a consumer group: for audits and for dead letters."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from billing.messages.topics import TOPICS
from runtime.kafka.clients import Consumer, new_admin_client, new_consumer
from runtime.settings import KafkaSettings

#: Messages fetched at once.
FETCH: Final = 5000


class TopicReader:
    """Reads topics without a consumer group and commits nothing. ``partitions``: topic → its partitions."""

    def __init__(self, consumer: Consumer, partitions: Mapping[str, Sequence[int]]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: KafkaSettings) -> "AsyncIterator[TopicReader]":
        """Connect. Raises ``UnknownTopicOrPartitionError`` where one of our topics is not there."""
        partitions = await _partitions(settings)
        consumer = new_consumer(settings, auto_offset_reset="none")
        await consumer.start()
        try:
            yield cls(consumer, partitions)
        finally:
            await consumer.stop()

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Partition → its first offset, and the one after its last."""
        partitions = [TopicPartition(topic, partition) for partition in self._partitions[topic]]
        first = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        return {tp.partition: (first[tp], end[tp]) for tp in partitions}

    async def all_bounds(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Topic and partition → its first offset, and the one after its last, of every topic of ours."""
        places = [TopicPartition(topic, number) for topic, numbers in self._partitions.items() for number in numbers]
        first = await self._consumer.beginning_offsets(places)
        end = await self._consumer.end_offsets(places)
        return {(place.topic, place.partition): (first[place], end[place]) for place in places}

    async def read(self, topic: str, ranges: Mapping[int, tuple[int, int]]) -> AsyncIterator[list[Any]]:
        """The messages of each partition from the first offset up to, not including, the second."""
        until = {TopicPartition(topic, p): end for p, (start, end) in ranges.items() if start < end}
        if not until:
            return
        self._consumer.assign(list(until))
        for tp in until:
            self._consumer.seek(tp, ranges[tp.partition][0])
        while until:
            for tp, records in (await self._consumer.getmany(timeout_ms=1000, max_records=FETCH)).items():
                yield [record for record in records if record.offset < until.get(tp, 0)]
            for tp in list(until):
                if await self._consumer.position(tp) >= until[tp]:
                    self._consumer.pause(tp)
                    del until[tp]


async def _partitions(settings: KafkaSettings) -> dict[str, list[int]]:
    """The partitions of each of our topics."""
    admin = new_admin_client(settings)
    await admin.start()
    try:
        described = await admin.describe_topics([topic.name for topic in TOPICS])
    finally:
        await admin.close()
    partitions = {topic["topic"]: sorted(p["partition"] for p in topic["partitions"]) for topic in described}
    if absent := [topic.name for topic in TOPICS if not partitions.get(topic.name)]:
        raise UnknownTopicOrPartitionError(f"no topic {', '.join(absent)}")
    return partitions
