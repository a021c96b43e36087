"""Events of an unknown type: a sink parks them in Postgres, and returns them once it runs a release that knows them."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.messages import MESSAGE_TYPES
from runtime.clock import utc_now
from runtime.kafka.clients import KAFKA_ERRORS, new_producer
from runtime.kafka.dead_letters import DeadLetterWriter
from runtime.kafka.publisher import Publisher
from runtime.kafka.record import Incoming
from runtime.periodic import run_periodically
from runtime.settings import KafkaSettings
from sinks.positions import transaction
from storage.streams.parked_messages import count_due
from storage.streams.parking import EVERY_S, ParkedMessages, park

log = structlog.get_logger(__name__)

KNOWN: Final = MESSAGE_TYPES.keys()


class Parking(Protocol):
    """Keeps messages of an unknown type."""

    async def put(self, record: ConsumerRecord) -> None:
        """Return once the message is stored; raises :class:`~runtime.retry.DependencyUnavailable`."""


class PostgresParking:
    """:class:`Parking` in the table ``parked_messages``."""

    def __init__(
        self, engine: AsyncEngine, settings: KafkaSettings, consumer: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._consumer = consumer
        self._now = now

    async def put(self, record: ConsumerRecord) -> None:
        incoming = Incoming(record.partition, record.offset, record.key, record.value, tuple(record.headers))
        async with transaction(self._engine) as connection:
            await park(connection, self._consumer, record.topic, incoming, self._now())

    async def run(self) -> None:
        """Return what can be returned every minute, forever."""
        await run_periodically(EVERY_S, self.return_due, "postgres is unavailable, parked messages are late")

    async def return_due(self) -> int:
        """Return the messages that this release knows, and write dead letters for those that expired; returns how many.
        Connects to Kafka only if there are any."""
        async with self._engine.connect() as connection:
            if not await count_due(connection, self._consumer, KNOWN, self._now()):
                return 0
        producer = new_producer(self._settings)
        try:
            await producer.start()
            publisher, dead_letters = Publisher(producer), DeadLetterWriter(producer)
            return await ParkedMessages(
                self._engine, publisher, dead_letters, self._consumer, KNOWN, self._now
            ).return_due()
        except KAFKA_ERRORS as error:
            log.warning("kafka is unavailable, parked messages are late", error=repr(error))
            return 0
        finally:
            await producer.stop()
