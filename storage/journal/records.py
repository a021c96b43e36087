"""The journal: every message processed and what followed, in the order of the stream.

A row belongs to the inbox that its ``topic`` names; positions are offsets of that topic. Those of releases before the
topic was recorded are rows of the payments inbox.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Refusal


class JournalRow(msgspec.Struct, frozen=True):
    """One message processed and what followed. ``recorded_at``: ISO 8601, UTC. ``topic``: the inbox it came from;
    ``payment_id``: the id of its subject, of whatever kind. ``outputs``: the encoded list of messages to publish.
    ``refusal``: why the command was not carried out. ``rules``: the version of the rules that decided; rows of earlier
    releases have none."""

    recorded_at: str
    topic: str
    stream_partition: int
    stream_offset: int
    payment_id: UUID
    version: int | None
    message_id: str
    type: str
    actor: str | None
    message: msgspec.Raw
    outputs: msgspec.Raw
    refusal: Refusal | None = None
    rules: int | None = None


_OUTPUTS = text(
    """
    SELECT outputs::text FROM journal
    WHERE topic = :topic AND stream_partition = :partition AND stream_offset >= :start AND stream_offset < :until
    ORDER BY stream_offset
    """
)


async def outputs(connection: AsyncConnection, topic: str, partition: int, start: int, until: int) -> list[str]:
    """The encoded outputs of the messages of an inbox from offset ``start`` up to, not including, ``until``."""
    values = {"topic": topic, "partition": partition, "start": start, "until": until}
    rows = await connection.execute(_OUTPUTS, values)
    return [row[0] for row in rows]


_BOUNDS = text(
    """
    SELECT stream_partition, min(stream_offset), max(stream_offset) + 1, count(*)
    FROM journal WHERE topic = :inbox GROUP BY 1
    """
)
_EVENTS_FROM = text(
    """
    SELECT stream_offset, jsonb_path_query_array(outputs, '$[*] ? (@.topic == $topic).value',
                                                 jsonb_build_object('topic', cast(:topic AS text)))::text
    FROM journal WHERE topic = :inbox AND stream_partition = :partition AND stream_offset >= :start
    ORDER BY stream_offset LIMIT :limit
    """
)
_EVENTS_OF = text(
    """
    SELECT stream_offset, jsonb_path_query_array(outputs, '$[*] ? (@.topic == $topic).value',
                                                 jsonb_build_object('topic', cast(:topic AS text)))::text
    FROM journal WHERE topic = :inbox AND payment_id = ANY(:ids) ORDER BY stream_partition, stream_offset
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


class Extent(NamedTuple):
    """What the journal holds of one partition: offsets from ``first`` up to, not including, ``end``."""

    first: int
    end: int
    rows: int


async def extents(connection: AsyncConnection, inbox: str) -> dict[int, Extent]:
    """Partition of an inbox → what the journal holds of it."""
    return {row[0]: Extent(*row[1:]) for row in await connection.execute(_BOUNDS, {"inbox": inbox})}


async def published_from(
    connection: AsyncConnection, inbox: str, topic: str, partition: int, start: int, limit: int
) -> list[tuple[int, str]]:
    """Offset and the encoded list of envelopes for ``topic``, of the next ``limit`` messages of an inbox from ``start``
    on."""
    values = {"inbox": inbox, "topic": topic, "partition": partition, "start": start, "limit": limit}
    return [(row[0], row[1]) for row in await connection.execute(_EVENTS_FROM, values)]


async def published_of(
    connection: AsyncConnection, inbox: str, topic: str, ids: Sequence[UUID]
) -> list[tuple[int, str]]:
    """The same of all messages of an inbox about the subjects with these ids."""
    rows = await connection.execute(_EVENTS_OF, {"inbox": inbox, "topic": topic, "ids": list(ids)})
    return [(row[0], row[1]) for row in rows]
