"""The positions of every consumer of a Kafka topic. Postgres holds them; the offsets committed to Kafka are a hint
(ADR 0003)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from sqlalchemy import ARRAY, BigInteger, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_LOAD = text(
    """
    WITH made AS (
        INSERT INTO stream_positions (consumer, topic, partition)
        SELECT :consumer, :topic, unnest(:partitions)
        ON CONFLICT DO NOTHING
        RETURNING partition, next_offset, published_offset
    )
    SELECT partition, next_offset, published_offset FROM made
    UNION ALL
    SELECT partition, next_offset, published_offset FROM stream_positions
    WHERE consumer = :consumer AND topic = :topic AND partition = ANY(:partitions)
    """
).bindparams(bindparam("partitions", type_=ARRAY(Integer)))

_ADVANCE = text(
    """
    UPDATE stream_positions AS p
    SET next_offset = m.next_offset, published_offset = m.published, updated_at = now()
    FROM unnest(:partitions, :expected, :next, :published) AS m (partition, expected, next_offset, published)
    WHERE p.consumer = :consumer AND p.topic = :topic AND p.partition = m.partition AND p.next_offset = m.expected
    """
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("expected", type_=ARRAY(BigInteger)),
    bindparam("next", type_=ARRAY(BigInteger)),
    bindparam("published", type_=ARRAY(BigInteger)),
)

_PUBLISHED = text(
    """
    UPDATE stream_positions AS p SET published_offset = m.offset_
    FROM unnest(:partitions, :offsets) AS m (partition, offset_)
    WHERE p.consumer = :consumer AND p.topic = :topic AND p.partition = m.partition
      AND p.published_offset < m.offset_ AND p.next_offset >= m.offset_
    """
).bindparams(bindparam("partitions", type_=ARRAY(Integer)), bindparam("offsets", type_=ARRAY(BigInteger)))

_NEXT = text("SELECT partition, next_offset FROM stream_positions WHERE consumer = :consumer AND topic = :topic")
_IS_KNOWN = text("SELECT EXISTS (SELECT FROM stream_positions WHERE consumer = :consumer)")
_FORGET = text("DELETE FROM stream_positions WHERE consumer = :consumer")


class Consumer(StrEnum):
    """The consumers that keep positions."""

    PAYMENTS = "payments"
    PROVIDER = "provider"
    RENEWALS = "renewals"
    CALLBACKS = "callbacks"
    SUBSCRIPTIONS = "subscriptions"
    SIGNALS = "sink.rabbitmq"
    ANALYTICS = "sink.clickhouse"
    BACKFILL = "backfill.clickhouse"


class LostPartition(Exception):
    """Another process moved a position after this one read it: it owns the partition, and this process must not write."""


class Move(msgspec.Struct, frozen=True):
    """A partition's position moves from ``expected`` to ``next_offset``; the outputs of everything below
    ``published_offset`` are in Kafka."""

    consumer: str
    topic: str
    partition: int
    expected: int
    next_offset: int
    published_offset: int


class Position(NamedTuple):
    """The position in one partition: the offset to read next, and the one below which all outputs are in Kafka."""

    next_offset: int
    published_offset: int


async def load_positions(
    connection: AsyncConnection, consumer: str, topic: str, partitions: Sequence[int]
) -> dict[int, Position]:
    """Both positions of each partition. A partition without a row gets one, with both at zero."""
    rows = await connection.execute(
        _LOAD, {"consumer": consumer, "topic": topic, "partitions": sorted(set(partitions))}
    )
    return {partition: Position(following, published) for partition, following, published in rows}


async def load(connection: AsyncConnection, consumer: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """The next offset of each partition. A partition without a row gets one, at zero."""
    positions = await load_positions(connection, consumer, topic, partitions)
    return {partition: position.next_offset for partition, position in positions.items()}


async def advance(
    connection: AsyncConnection,
    consumer: str,
    topic: str,
    moves: Mapping[int, tuple[int, int]],
    published: Mapping[int, int] | None = None,
) -> None:
    """Move each partition from the expected next offset to a new one.

    ``published``: the offset below which all outputs are in Kafka; omitted by a consumer that publishes before it
    advances. Raises :class:`LostPartition` if a position is not the expected one: the caller must roll back what its
    transaction did for that partition.
    """
    partitions = sorted(moves)
    following = [moves[p][1] for p in partitions]
    result = await connection.execute(
        _ADVANCE,
        {
            "consumer": consumer,
            "topic": topic,
            "partitions": partitions,
            "expected": [moves[p][0] for p in partitions],
            "next": following,
            "published": following if published is None else [published[p] for p in partitions],
        },
    )
    if result.rowcount != len(partitions):
        raise LostPartition(f"{consumer}: {topic} {partitions} were moved by another process")


async def mark_published(connection: AsyncConnection, consumer: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Record that all outputs of the messages below these offsets are in Kafka. Never moves back."""
    partitions = sorted(offsets)
    await connection.execute(
        _PUBLISHED,
        {
            "consumer": consumer,
            "topic": topic,
            "partitions": partitions,
            "offsets": [offsets[p] for p in partitions],
        },
    )


async def next_offsets(connection: AsyncConnection, consumer: str, topic: str) -> dict[int, int]:
    """The next offset of each partition that a consumer has a position in. Changes nothing."""
    rows = await connection.execute(_NEXT, {"consumer": consumer, "topic": topic})
    return {row.partition: row.next_offset for row in rows}


async def is_known(connection: AsyncConnection, consumer: str) -> bool:
    """Whether a consumer has positions."""
    return bool((await connection.execute(_IS_KNOWN, {"consumer": consumer})).scalar_one())


async def forget(connection: AsyncConnection, consumer: str) -> None:
    """Delete a consumer's positions: it starts over from the first offset."""
    await connection.execute(_FORGET, {"consumer": consumer})
