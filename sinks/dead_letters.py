"""Dead letters of a sink: the writer of ``runtime`` on a producer that most sinks never need."""

from typing import Protocol

from aiokafka import ConsumerRecord

from runtime.kafka import dead_letters
from runtime.kafka.clients import KAFKA_ERRORS, Producer, new_producer
from runtime.retry import DependencyUnavailable
from runtime.settings import KafkaSettings


class DeadLetters(Protocol):
    """Stores messages that can never be delivered."""

    async def put(self, record: ConsumerRecord, cause: Exception) -> None:
        """Return once the message is stored with its cause; raises :class:`~runtime.retry.DependencyUnavailable`."""

    async def close(self) -> None:
        """Disconnect."""


class KafkaDeadLetters:
    """:class:`DeadLetters` in ``billing.dead-letters``. Connects at the first letter."""

    def __init__(self, settings: KafkaSettings, consumer: str) -> None:
        self._settings = settings
        self._consumer = consumer
        self._producer: Producer | None = None

    async def put(self, record: ConsumerRecord, cause: Exception) -> None:
        try:
            producer = self._producer or await self._connect()
            await dead_letters.write(producer, self._consumer, record.topic, record, cause)
        except KAFKA_ERRORS as error:
            raise DependencyUnavailable(f"kafka: {error!r}") from error

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def _connect(self) -> Producer:
        producer = new_producer(self._settings)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer
