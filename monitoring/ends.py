"""The ends of our topics, as Kafka reports them."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from aiokafka import TopicPartition

from billing.messages.topics import TOPICS
from monitoring.books import Place
from runtime.kafka.clients import KAFKA_ERRORS, new_consumer
from runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

#: For both questions to the brokers: the books are read without an answer then.
ANSWER_S: Final = 5.0


class KafkaEnds:
    """Asks the brokers; connects when it is asked first, and again after it failed."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer = new_consumer(settings)
        self._connected = False

    async def read(self) -> Mapping[Place, tuple[int, int]] | None:
        """Topic and partition → first offset and the one after the last; ``None`` while Kafka does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._read()
        except (*KAFKA_ERRORS, TimeoutError) as error:
            log.warning("kafka is unavailable, lag is not known", error=repr(error))
            return None

    async def close(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def _read(self) -> Mapping[Place, tuple[int, int]]:
        if not self._connected:
            # One that failed to start, or was cancelled at it, cannot be started again.
            await self._consumer.stop()
            self._consumer = new_consumer(self._settings)
            await self._consumer.start()
            self._connected = True
        places: list[TopicPartition] = []
        # The topics' partitions are known only where they are asked for by name.
        known = await self._consumer.topics()
        for topic in TOPICS:
            if topic.name in known:
                numbers = self._consumer.partitions_for_topic(topic.name) or ()
                places += [TopicPartition(topic.name, number) for number in sorted(numbers)]
        first = await self._consumer.beginning_offsets(places)
        end = await self._consumer.end_offsets(places)
        return {(place.topic, place.partition): (first[place], end[place]) for place in places}
