"""A position that is written now and then: for a consumer whose messages may be processed again after a crash, under the
same ids."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.postgres import POSTGRES_ERRORS
from storage.streams.positions import Consumer, LostPartition, advance, load
from streams.delivery.watermarks import Watermarks

log = structlog.get_logger(__name__)

#: How often the position is written, seconds: what is processed again after a crash was delivered within it.
STORE_EVERY_S: Final = 0.25


class LatePosition:
    """The position of ``consumer`` in the partitions of ``topic``. ``exit_process`` ends the process and does not return."""

    def __init__(
        self, engine: AsyncEngine, consumer: Consumer, topic: str, exit_process: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._consumer = consumer
        self._topic = topic
        self._exit_process = exit_process
        #: Of the partitions that are assigned now; replaced, never emptied: messages of earlier ones still end in theirs.
        self.marks = Watermarks({})

    async def restore(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Read where to start each partition."""
        async with self._engine.begin() as connection:
            positions = await load(connection, self._consumer, self._topic, partitions)
        self.marks = Watermarks(positions)
        return positions

    async def keep(self) -> None:
        """Write the position every :data:`STORE_EVERY_S`, forever."""
        while True:
            await asyncio.sleep(STORE_EVERY_S)
            await self.store()

    async def store(self) -> None:
        """Write the offset below which everything is done. Without Postgres the next time writes it."""
        marks = self.marks
        moves = marks.moves()
        if not moves:
            return
        try:
            async with self._engine.begin() as connection:
                await advance(connection, self._consumer, self._topic, moves)
        except LostPartition as error:
            if marks is self.marks:
                self._exit_process(str(error))
        except POSTGRES_ERRORS as error:
            log.warning("postgres is unavailable, the position is late", consumer=self._consumer, error=repr(error))
        else:
            marks.store(moves)
