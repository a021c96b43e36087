"""Whom an OpenID provider knows as which subject."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.staff.accounts import Account

_FIND = text(
    """
    SELECT s.id, s.email, s.name, s.role, s.created_at, s.suspended_at
    FROM staff_identities i JOIN staff s ON s.id = i.staff_id
    WHERE i.issuer = :issuer AND i.subject = :subject FOR UPDATE OF s
    """
)
_LINK = text(
    """
    INSERT INTO staff_identities (staff_id, issuer, subject, linked_at) VALUES (:staff_id, :issuer, :subject, :at)
    ON CONFLICT DO NOTHING RETURNING staff_id
    """
)
_UNLINK = text("DELETE FROM staff_identities WHERE staff_id = :staff_id")


async def find(connection: AsyncConnection, issuer: str, subject: str) -> Account | None:
    """The account of this subject, locked until the transaction ends."""
    row = (await connection.execute(_FIND, {"issuer": issuer, "subject": subject})).mappings().one_or_none()
    return None if row is None else msgspec.convert(dict(row), Account)


async def link(connection: AsyncConnection, staff_id: UUID, issuer: str, subject: str, at: datetime) -> bool:
    """Fix the person to this subject; whether neither of them is fixed to another one."""
    values = {"staff_id": staff_id, "issuer": issuer, "subject": subject, "at": at}
    return (await connection.execute(_LINK, values)).first() is not None


async def unlink(connection: AsyncConnection, staff_id: UUID) -> int:
    """Forget the person's subjects; how many there were."""
    return (await connection.execute(_UNLINK, {"staff_id": staff_id})).rowcount
