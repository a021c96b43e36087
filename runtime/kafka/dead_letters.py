"""Where messages go that can never be read."""

from typing import Protocol

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from billing.messages.topics import DEAD_LETTERS
from runtime.kafka.options import producer_options
from runtime.retry import DependencyUnavailable
from runtime.settings import Settings

log = structlog.get_logger(__name__)

MAX_CAUSE_CHARS = 2000


class DeadLetters(Protocol):
    """Takes messages aside."""

    async def put(self, record: ConsumerRecord, cause: Exception) -> None:
        """Return once the message is stored with its cause; raises :class:`~runtime.retry.DependencyUnavailable`."""

    async def close(self) -> None:
        """Let go of connections."""


class KafkaDeadLetters:
    """Produces to ``billing.dead-letters``: the original key, bytes and headers, and where they came from.

    A message may stand there twice after a crash: its ``topic``, ``partition``, ``offset`` and ``consumer`` headers
    tell it is the same.
    """

    def __init__(self, settings: Settings, consumer: str) -> None:
        self._settings = settings
        self._consumer = consumer
        self._producer: AIOKafkaProducer | None = None

    async def put(self, record: ConsumerRecord, cause: Exception) -> None:
        log.error(
            "dead letter",
            consumer=self._consumer,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            cause=repr(cause),
        )
        headers = [
            ("cause", f"{type(cause).__name__}: {cause}"[:MAX_CAUSE_CHARS].encode(errors="replace")),
            ("consumer", self._consumer.encode()),
            ("topic", record.topic.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
            *record.headers,
        ]
        try:
            producer = self._producer or await self._connect()
            await producer.send_and_wait(DEAD_LETTERS.name, record.value, key=record.key, headers=headers)
        except (KafkaError, OSError, TimeoutError) as error:
            raise DependencyUnavailable(f"kafka: {error!r}") from error

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def _connect(self) -> AIOKafkaProducer:
        # Only now: most sinks never meet a message they cannot read.
        producer = AIOKafkaProducer(**producer_options(self._settings))
        try:
            await producer.start()
        except (KafkaError, OSError):
            await producer.stop()
            raise
        self._producer = producer
        return producer
