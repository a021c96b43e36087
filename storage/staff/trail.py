"""The trail: what people saw and did. Each row continues the hash of the one before it; none is ever changed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Kind(StrEnum):
    SIGN_IN = "sign_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGN_OUT = "sign_out"
    SESSION = "session"
    """Sessions were ended by their owner."""
    CREDENTIAL = "credential"
    """A password or an authenticator was set."""
    REFUSED = "refused"
    """A request without the permission, or a forged one."""
    SEARCH = "search"
    VIEW = "view"
    REVEAL = "reveal"
    EXPORT = "export"
    PREVIEW = "preview"
    COMMAND = "command"
    APPROVAL = "approval"
    BULK = "bulk"
    LETTER = "letter"
    SWITCH = "switch"
    ALERT = "alert"
    KEY = "key"
    STAFF = "staff"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to record. ``at``: UTC. ``who``: an e-mail address, or ``operator:NAME`` of the command line. ``session``:
    the first eight hex digits of its id."""

    at: datetime
    staff_id: UUID | None = None
    who: str
    role: str | None = None
    session: str | None = None
    address: str | None = None
    kind: Kind
    subject_kind: str
    subject_id: str
    reason: str | None = None
    detail: Mapping[str, Any] = {}


class RecordedEntry(Entry, frozen=True, kw_only=True):
    """An entry on record."""

    id: int


_RECORD = text(
    """
    INSERT INTO staff_trail (at, staff_id, who, role, session, address, kind, subject_kind, subject_id, reason, detail)
    VALUES (:at, :staff_id, :who, :role, :session, :address, :kind, :subject_kind, :subject_id, :reason,
            CAST(:detail AS jsonb))
    RETURNING id
    """
)
_LATEST = text(
    """
    SELECT id, at, staff_id, who, role, session, address, kind, subject_kind, subject_id, reason, detail
    FROM staff_trail
    WHERE id < coalesce(:before, 9223372036854775807)
      AND (CAST(:staff_id AS uuid) IS NULL OR staff_id = :staff_id)
      AND (CAST(:subject_kind AS text) IS NULL OR (subject_kind, subject_id) = (:subject_kind, CAST(:subject_id AS text)))
    ORDER BY id DESC LIMIT :limit
    """
)


async def record(connection: AsyncConnection, entry: Entry) -> int:
    """Record an entry in the caller's transaction; returns its id. Entries wait for each other until they are committed:
    make it the transaction's last statement."""
    values = msgspec.structs.asdict(entry) | {"detail": msgspec.json.encode(entry.detail).decode()}
    id: int = (await connection.execute(_RECORD, values)).scalar_one()
    return id


async def latest(
    connection: AsyncConnection,
    limit: int,
    *,
    before: int | None = None,
    staff_id: UUID | None = None,
    subject: tuple[str, str] | None = None,
) -> list[RecordedEntry]:
    """Entries, the newest first: older than the entry ``before``, of one person, about one subject (kind and id)."""
    kind, id = subject or (None, None)
    values = {"before": before, "staff_id": staff_id, "subject_kind": kind, "subject_id": id, "limit": limit}
    rows = (await connection.execute(_LATEST, values)).mappings()
    return [msgspec.convert(dict(row), RecordedEntry) for row in rows]
