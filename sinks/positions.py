"""A sink's positions in Postgres."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from aiokafka import TopicPartition
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime.postgres import SchemaMismatch
from runtime.retry import DependencyUnavailable
from storage.streams.positions import LostPartition, advance, load


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction of a sink: while Postgres does not answer it raises :class:`~runtime.retry.DependencyUnavailable`,
    and :class:`~runtime.postgres.SchemaMismatch` as it is."""
    try:
        async with engine.begin() as connection:
            yield connection
    except SchemaMismatch:
        raise
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise DependencyUnavailable(f"postgres: {error!r}") from error


class Positions(Protocol):
    """The positions of one consumer. Both raise :class:`~runtime.retry.DependencyUnavailable`."""

    async def load(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition; 0 for a partition that was never processed."""

    async def advance(self, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Partition → (expected, new) next offset; raises :class:`~storage.streams.positions.LostPartition` and moves
        nothing when a partition is not at the expected one."""


class PostgresPositions:
    """:class:`Positions` in the table ``stream_positions``."""

    def __init__(self, engine: AsyncEngine, consumer: str) -> None:
        self._engine = engine
        self._consumer = consumer

    async def load(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = {}
        async with transaction(self._engine) as connection:
            for topic in sorted({tp.topic for tp in partitions}):
                mine = [tp.partition for tp in partitions if tp.topic == topic]
                positions = await load(connection, self._consumer, topic, mine)
                found |= {TopicPartition(topic, partition): offset for partition, offset in positions.items()}
        return found

    async def advance(self, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
        # If the connection breaks during the commit, the move may have been made or not. A retry then raises
        # LostPartition and the position is read again, which is right in both cases.
        async with transaction(self._engine) as connection:
            for topic in sorted({tp.topic for tp in moves}):
                mine = {tp.partition: move for tp, move in moves.items() if tp.topic == topic}
                await advance(connection, self._consumer, topic, mine)


__all__ = ["LostPartition", "Positions", "PostgresPositions", "transaction"]
