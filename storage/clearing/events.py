"""Events of clearing: written in the transaction of the change that they tell, published later, and kept for backfills.

An event is published once it has ``published_at``: whoever dies before writes it again under the same id.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, BigInteger, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages.catalogue import TOPIC_MESSAGES
from billing.messages.clearing_events import ClearingMessage
from billing.messages.topics import CLEARING_EVENTS
from storage.journal.records import Extent

_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    m.TYPE: msgspec.json.Decoder(m) for m in TOPIC_MESSAGES[CLEARING_EVENTS]
}
_ROWS: Final = "json_to_recordset(CAST(:rows AS json)) AS r (id uuid, version integer, type text, key text, body jsonb)"
_ADD = text(
    f"""
    INSERT INTO clearing_events (id, version, type, key, body) SELECT id, version, type, key, body FROM {_ROWS}
    """  # noqa: S608
)
_ADD_CHANGED = text(
    f"""
    INSERT INTO clearing_events (id, version, type, key, body)
    SELECT r.id, next.version, r.type, r.key, r.body || jsonb_build_object('version', next.version)
    FROM {_ROWS}
    LEFT JOIN LATERAL (
        SELECT e.version, e.body FROM clearing_events e WHERE e.id = r.id ORDER BY e.version DESC LIMIT 1
    ) last ON true
    CROSS JOIN LATERAL (SELECT coalesce(last.version, 0) + 1 AS version) next
    WHERE last.body - ARRAY['version', 'changed_at'] IS DISTINCT FROM r.body - ARRAY['version', 'changed_at']
    """  # noqa: S608
)
# One that a later release wrote, before it was rolled back, waits for that release.
_READ: Final = "SELECT number, type, body::text FROM clearing_events WHERE type = ANY(:types)"
_TYPES: Final = bindparam("types", value=list(_DECODERS), type_=ARRAY(Text))
_UNPUBLISHED = text(f"{_READ} AND published_at IS NULL ORDER BY number LIMIT :limit").bindparams(_TYPES)
_PUBLISHED = text("UPDATE clearing_events SET published_at = now() WHERE number = ANY(:numbers)").bindparams(
    bindparam("numbers", type_=ARRAY(BigInteger))
)
_FROM = text(f"{_READ} AND number >= :start ORDER BY number LIMIT :limit").bindparams(_TYPES)
_OF = text(f"{_READ} AND id = ANY(:ids) ORDER BY number").bindparams(_TYPES, bindparam("ids", type_=ARRAY(Uuid)))
_EXTENT = text("SELECT coalesce(min(number), 0), coalesce(max(number), -1) + 1, count(*) FROM clearing_events")

#: Its number, and the event.
Stored = tuple[int, ClearingMessage]


async def add(connection: AsyncConnection, messages: Sequence[ClearingMessage]) -> None:
    """Write events that know their version, in the caller's transaction."""
    await connection.execute(_ADD, {"rows": _encoded(messages)})


async def add_changed(connection: AsyncConnection, messages: Sequence[ClearingMessage]) -> None:
    """Write those that say something else than the last event of their subject did, as its next version. One transaction
    at a time may do so for a subject."""
    await connection.execute(_ADD_CHANGED, {"rows": _encoded(messages)})


async def unpublished(connection: AsyncConnection, limit: int) -> list[Stored]:
    """The oldest events that are not published."""
    return await _read(connection, _UNPUBLISHED, limit=limit)


async def mark_published(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    """Record that these are in Kafka."""
    await connection.execute(_PUBLISHED, {"numbers": list(numbers)})


async def events_from(connection: AsyncConnection, start: int, limit: int) -> list[Stored]:
    """The next events from a number on, published or not."""
    return await _read(connection, _FROM, start=start, limit=limit)


async def extents(connection: AsyncConnection) -> dict[int, Extent]:
    """All of them as one partition, whose offsets are the events' numbers."""
    first, end, rows = (await connection.execute(_EXTENT)).one()
    return {0: Extent(first, end, rows)} if rows else {}


async def events_of(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Stored]:
    """All events of these subjects."""
    return await _read(connection, _OF, ids=list(ids))


async def _read(connection: AsyncConnection, statement: TextClause, **values: object) -> list[Stored]:
    rows = await connection.execute(statement, values)
    return [(number, _DECODERS[type].decode(body)) for number, type, body in rows]


def _encoded(messages: Sequence[ClearingMessage]) -> str:
    rows = [{"id": m.id, "version": m.version, "type": m.TYPE, "key": m.key, "body": m} for m in messages]
    return msgspec.json.encode(rows).decode()
