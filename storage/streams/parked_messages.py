"""Messages of a type that the consumer which met them does not know: kept until a process of that consumer that knows
it returns them to their topic.

Apart from parked callbacks, which wait for their payment and never expire: a message waits for a release, and its bytes
are read by nobody before.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.kafka.record import Incoming

#: A message of a type that the consumer has not learned by then becomes a dead letter.
PARKED_FOR: Final = timedelta(hours=1)
#: One process of a consumer returns messages at a time, so that they keep their order (a Postgres advisory lock).
RETURN_LOCK: Final = 0x7061726B

_LOCK = text("SELECT pg_try_advisory_xact_lock(:key, hashtext(:consumer))")
_COUNT = text(
    """
    SELECT count(*) FROM parked_messages
    WHERE consumer = :consumer AND resolution IS NULL AND (type = ANY(:types) OR parked_at <= :expired)
    """
).bindparams(bindparam("types", type_=ARRAY(Text)))
# A message that was returned and met a worker of the old release again is still the same: its hour does not start over.
_PARK = text(
    """
    INSERT INTO parked_messages (consumer, topic, stream_partition, stream_offset, message_id, type, key, value, parked_at)
    SELECT :consumer, :topic, :partition, :offset, :message_id, :type, :key, :value, least(:now, (
        SELECT min(parked_at) FROM parked_messages
        WHERE message_id = :message_id AND consumer = :consumer AND topic = :topic AND resolved_at >= :since
    ))
    ON CONFLICT DO NOTHING
    """
)
_DUE = text(
    """
    SELECT consumer, topic, stream_partition, stream_offset, type, key, value, parked_at FROM parked_messages
    WHERE consumer = :consumer AND resolution IS NULL AND (type = ANY(:types) OR parked_at <= :expired)
    ORDER BY topic, stream_partition, stream_offset LIMIT :limit
    """
).bindparams(bindparam("types", type_=ARRAY(Text)))
_RESOLVE = text(
    """
    UPDATE parked_messages AS p SET resolution = m.resolution, resolved_at = :now
    FROM unnest(:consumers, :topics, :partitions, :offsets, :resolutions)
        AS m (consumer, topic, partition, offset_, resolution)
    WHERE p.consumer = m.consumer AND p.topic = m.topic AND p.stream_partition = m.partition
      AND p.stream_offset = m.offset_
    """
).bindparams(
    bindparam("consumers", type_=ARRAY(Text)),
    bindparam("topics", type_=ARRAY(Text)),
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("offsets", type_=ARRAY(BigInteger)),
    bindparam("resolutions", type_=ARRAY(Text)),
)

Resolution = Literal["returned", "dead-letter"]


class ParkedMessage(msgspec.Struct, frozen=True):
    """A message as it came to ``consumer``. ``parked_at``: UTC, when it was first parked."""

    consumer: str
    topic: str
    incoming: Incoming
    type: str
    parked_at: datetime


async def insert(
    connection: AsyncConnection,
    consumer: str,
    topic: str,
    incoming: Incoming,
    message_id: str,
    type: str,
    now: datetime,
) -> None:
    """Keep a message in the caller's transaction; a repeat changes nothing."""
    await connection.execute(
        _PARK,
        {
            "consumer": consumer,
            "topic": topic,
            "partition": incoming.partition,
            "offset": incoming.offset,
            # Postgres takes no such character.
            "message_id": message_id.replace("\0", ""),
            "type": type.replace("\0", ""),
            "key": incoming.key,
            "value": incoming.value,
            "now": now,
            "since": now - PARKED_FOR,
        },
    )


async def count_due(connection: AsyncConnection, consumer: str, types: Collection[str], now: datetime) -> int:
    """How many messages of a consumer :func:`due` would find."""
    values = {"consumer": consumer, "types": sorted(types), "expired": now - PARKED_FOR}
    return int((await connection.execute(_COUNT, values)).scalar_one())


async def due(
    connection: AsyncConnection, consumer: str, types: Collection[str], now: datetime, limit: int
) -> list[ParkedMessage]:
    """The consumer's parked messages of these types, and those parked for longer than :data:`PARKED_FOR`, in the order
    of their stream; none while another process returns its messages."""
    if not (await connection.execute(_LOCK, {"key": RETURN_LOCK, "consumer": consumer})).scalar_one():
        return []
    values = {"consumer": consumer, "types": sorted(types), "expired": now - PARKED_FOR, "limit": limit}
    return [
        ParkedMessage(consumer, topic, Incoming(partition, offset, key, value), type, parked_at)
        for consumer, topic, partition, offset, type, key, value, parked_at in await connection.execute(_DUE, values)
    ]


async def resolve(
    connection: AsyncConnection, messages: Sequence[tuple[ParkedMessage, Resolution]], now: datetime
) -> None:
    """Record what became of these messages. Their rows stay: they account for the offsets."""
    if messages:
        await connection.execute(
            _RESOLVE,
            {
                "consumers": [message.consumer for message, _ in messages],
                "topics": [message.topic for message, _ in messages],
                "partitions": [message.incoming.partition for message, _ in messages],
                "offsets": [message.incoming.offset for message, _ in messages],
                "resolutions": [resolution for _, resolution in messages],
                "now": now,
            },
        )
