"""The journal: every message processed and what followed, in the order of the stream."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_OUTPUTS = text(
    """
    SELECT outputs::text FROM journal
    WHERE stream_partition = :partition AND stream_offset >= :start AND stream_offset < :until
    ORDER BY stream_offset
    """
)


async def outputs(connection: AsyncConnection, partition: int, start: int, until: int) -> list[str]:
    """The encoded outputs of the messages from offset ``start`` up to, not including, ``until``."""
    rows = await connection.execute(_OUTPUTS, {"partition": partition, "start": start, "until": until})
    return [row[0] for row in rows]


_BOUNDS = text("SELECT stream_partition, min(stream_offset), max(stream_offset) + 1, count(*) FROM journal GROUP BY 1")
_EVENTS_FROM = text(
    """
    SELECT stream_offset, jsonb_path_query_array(outputs, '$[*] ? (@.topic == $topic).value',
                                                 jsonb_build_object('topic', cast(:topic AS text)))::text
    FROM journal WHERE stream_partition = :partition AND stream_offset >= :start ORDER BY stream_offset LIMIT :limit
    """
)
_EVENTS_OF = text(
    """
    SELECT stream_offset, jsonb_path_query_array(outputs, '$[*] ? (@.topic == $topic).value',
                                                 jsonb_build_object('topic', cast(:topic AS text)))::text
    FROM journal WHERE payment_id = ANY(:ids) ORDER BY stream_partition, stream_offset
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


class Extent(NamedTuple):
    """What the journal holds of one partition: offsets from ``first`` up to, not including, ``end``."""

    first: int
    end: int
    rows: int


async def extents(connection: AsyncConnection) -> dict[int, Extent]:
    """Partition → what the journal holds of it."""
    return {row[0]: Extent(*row[1:]) for row in await connection.execute(_BOUNDS)}


async def published_from(
    connection: AsyncConnection, topic: str, partition: int, start: int, limit: int
) -> list[tuple[int, str]]:
    """Offset and the encoded list of envelopes for ``topic``, of the next ``limit`` messages from ``start`` on."""
    values = {"topic": topic, "partition": partition, "start": start, "limit": limit}
    return [(row[0], row[1]) for row in await connection.execute(_EVENTS_FROM, values)]


async def published_of(connection: AsyncConnection, topic: str, payment_ids: Sequence[UUID]) -> list[tuple[int, str]]:
    """The same of everything that ever happened to these payments."""
    rows = await connection.execute(_EVENTS_OF, {"topic": topic, "ids": list(payment_ids)})
    return [(row[0], row[1]) for row in rows]
