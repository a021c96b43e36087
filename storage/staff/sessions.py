"""Sessions of people who signed in."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.access.roles import Role


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that has not ended, with the person's account as it is now. ``role_at_most``: in this session the person
    may do no more than this role."""

    staff_id: UUID
    email: str
    name: str
    role: Role
    role_at_most: Role | None
    seen_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    language: str | None
    zone: str | None


class ListedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One of a person's sessions. ``id``: the first 16 hex digits of its token's SHA-256."""

    id: str
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str


_OPEN = text(
    """
    INSERT INTO staff_sessions
        (token_hash, staff_id, created_at, seen_at, authenticated_at, expires_at, address, agent, role_at_most)
    VALUES (:token_hash, :staff_id, :at, :at, :authenticated_at, :expires_at, :address, :agent, :role_at_most)
    """
)
_FIND = text(
    """
    SELECT e.staff_id, s.email, s.name, s.role, e.role_at_most, e.seen_at, e.authenticated_at, e.expires_at,
           s.language, s.zone
    FROM staff_sessions e JOIN staff s ON s.id = e.staff_id
    WHERE e.token_hash = :token_hash AND e.ended_at IS NULL AND e.expires_at > :now AND s.suspended_at IS NULL
    """
)
_SEEN = text("UPDATE staff_sessions SET seen_at = greatest(seen_at, :now) WHERE token_hash = :token_hash")
_AUTHENTICATED = text("UPDATE staff_sessions SET authenticated_at = :now WHERE token_hash = :token_hash")
_LIST = text(
    """
    SELECT left(encode(e.token_hash, 'hex'), 16) AS id, e.created_at, e.seen_at, e.address, e.agent FROM staff_sessions e
    JOIN staff s ON s.id = e.staff_id
    WHERE e.staff_id = :staff_id AND e.ended_at IS NULL AND e.expires_at > :now
      AND e.seen_at > :now - (CAST(:idle AS jsonb) ->> s.role)::float8 * interval '1 second'
    ORDER BY e.seen_at DESC
    """
)
_END = text(
    """
    UPDATE staff_sessions SET ended_at = :now
    WHERE staff_id = :staff_id AND ended_at IS NULL AND left(encode(token_hash, 'hex'), 16) = :id RETURNING staff_id
    """
)
_END_ALL = text(
    """
    UPDATE staff_sessions SET ended_at = :now
    WHERE staff_id = :staff_id AND ended_at IS NULL AND token_hash IS DISTINCT FROM CAST(:kept AS bytea)
    """
)


async def open_one(
    connection: AsyncConnection,
    token_hash: bytes,
    staff_id: UUID,
    at: datetime,
    expires_at: datetime,
    address: str,
    agent: str,
    *,
    authenticated_at: datetime,
    role_at_most: Role | None,
) -> None:
    """Open a session."""
    values = {"token_hash": token_hash, "staff_id": staff_id, "at": at, "expires_at": expires_at}
    values |= {"address": address, "agent": agent, "authenticated_at": authenticated_at, "role_at_most": role_at_most}
    await connection.execute(_OPEN, values)


async def find(connection: AsyncConnection, token_hash: bytes, now: datetime) -> OpenSession | None:
    """The session, unless it is over or the person is suspended. Whether it was idle for too long, the caller decides."""
    row = (await connection.execute(_FIND, {"token_hash": token_hash, "now": now})).mappings().one_or_none()
    return None if row is None else msgspec.convert(dict(row), OpenSession)


async def note_seen(connection: AsyncConnection, token_hash: bytes, now: datetime) -> None:
    """The session was used now."""
    await connection.execute(_SEEN, {"token_hash": token_hash, "now": now})


async def note_authenticated(connection: AsyncConnection, token_hash: bytes, at: datetime) -> None:
    """The person has shown the second factor again, at this time."""
    await connection.execute(_AUTHENTICATED, {"token_hash": token_hash, "now": at})


async def of_person(
    connection: AsyncConnection, staff_id: UUID, now: datetime, idle: Mapping[Role, timedelta]
) -> list[ListedSession]:
    """The person's sessions that can be used, the last seen first. ``idle``: after which time without use they end."""
    seconds = msgspec.json.encode({role: time.total_seconds() for role, time in idle.items()}).decode()
    rows = (await connection.execute(_LIST, {"staff_id": staff_id, "now": now, "idle": seconds})).mappings()
    return [msgspec.convert(dict(row), ListedSession) for row in rows]


async def end(connection: AsyncConnection, staff_id: UUID, id: str, now: datetime) -> bool:
    """End a session of this person; whether the person has such a session."""
    return (await connection.execute(_END, {"staff_id": staff_id, "id": id, "now": now})).first() is not None


async def end_all(connection: AsyncConnection, staff_id: UUID, now: datetime, kept: bytes | None = None) -> int:
    """End the person's sessions, but the one whose token has the hash ``kept``; how many ended."""
    return (await connection.execute(_END_ALL, {"staff_id": staff_id, "now": now, "kept": kept})).rowcount
