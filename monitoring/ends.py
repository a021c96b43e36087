"""The ends of our topics, as Kafka reports them."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

import structlog

from monitoring.books import Place
from runtime.kafka.clients import KAFKA_ERRORS
from runtime.kafka.reader import TopicReader
from runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

#: For connecting and the brokers' answers: after it the books are read without them.
ANSWER_S: Final = 5.0


class KafkaEnds:
    """Asks the brokers; connects when it is asked first, and again after it failed."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._connection = AsyncExitStack()
        self._reader: TopicReader | None = None

    async def read(self) -> Mapping[Place, tuple[int, int]] | None:
        """Topic and partition → first offset and the one after the last; ``None`` while Kafka does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._reader is None:
                    self._reader = await self._connection.enter_async_context(TopicReader.open(self._settings))
                return await self._reader.all_bounds()
        except (*KAFKA_ERRORS, TimeoutError) as error:
            log.warning("kafka is unavailable, lag is not known", error=repr(error))
            await self.close()
            return None

    async def close(self) -> None:
        """Disconnect."""
        self._reader = None
        await self._connection.aclose()
