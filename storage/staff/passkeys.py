"""Passkeys of people, and the challenges that they sign."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Purpose(StrEnum):
    """What a signed challenge is good for."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    ADD = "add"


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey. ``credential_id`` is the authenticator's name for it; ``sign_count``: what the authenticator counted at
    the last use, 0 where it does not count. Times are UTC."""

    id: UUID
    staff_id: UUID
    name: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    created_at: datetime
    last_used_at: datetime | None = None


_ADD = text(
    """
    INSERT INTO staff_passkeys (id, staff_id, name, credential_id, public_key, sign_count, created_at)
    VALUES (:id, :staff_id, :name, :credential_id, :public_key, :sign_count, :created_at)
    ON CONFLICT (credential_id) DO NOTHING RETURNING id
    """
)
_OF = text(
    """
    SELECT id, staff_id, name, credential_id, public_key, sign_count, created_at, last_used_at FROM staff_passkeys
    WHERE staff_id = :staff_id ORDER BY created_at, id
    """
)
_USED = text(
    """
    UPDATE staff_passkeys SET sign_count = :sign_count, last_used_at = :now
    WHERE id = :id AND sign_count = :before RETURNING id
    """
)
_REMOVE = text("DELETE FROM staff_passkeys WHERE id = :id AND staff_id = :staff_id RETURNING name")
_REMOVE_ALL = text("DELETE FROM staff_passkeys WHERE staff_id = :staff_id")
_ASK = text(
    """
    INSERT INTO staff_challenges (challenge_hash, staff_id, purpose, expires_at)
    VALUES (:challenge_hash, :staff_id, :purpose, :expires_at)
    """
)
_FORGET = text("DELETE FROM staff_challenges WHERE expires_at <= :now")
_TAKE = text(
    "DELETE FROM staff_challenges WHERE challenge_hash = :challenge_hash AND purpose = :purpose AND expires_at > :now"
    " RETURNING staff_id"
)


async def add(connection: AsyncConnection, passkey: Passkey) -> bool:
    """Add a passkey; whether nobody has it yet."""
    return (await connection.execute(_ADD, msgspec.structs.asdict(passkey))).first() is not None


async def of_person(connection: AsyncConnection, staff_id: UUID) -> list[Passkey]:
    """The person's passkeys, the oldest first."""
    rows = (await connection.execute(_OF, {"staff_id": staff_id})).mappings()
    return [msgspec.convert(dict(row), Passkey) for row in rows]


async def note_used(connection: AsyncConnection, passkey: Passkey, sign_count: int, now: datetime) -> bool:
    """The passkey was used now; whether it was not used since it was read."""
    values = {"id": passkey.id, "before": passkey.sign_count, "sign_count": sign_count, "now": now}
    return (await connection.execute(_USED, values)).first() is not None


async def remove(connection: AsyncConnection, staff_id: UUID, id: UUID) -> str | None:
    """Remove a passkey of this person; its name, ``None`` if there is no such one."""
    name: str | None = (await connection.execute(_REMOVE, {"staff_id": staff_id, "id": id})).scalar_one_or_none()
    return name


async def remove_all(connection: AsyncConnection, staff_id: UUID) -> int:
    """Remove all passkeys of this person; how many there were."""
    return (await connection.execute(_REMOVE_ALL, {"staff_id": staff_id})).rowcount


async def ask(
    connection: AsyncConnection,
    challenge_hash: bytes,
    staff_id: UUID,
    purpose: Purpose,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a challenge until it is signed, or is over; those that are over are forgotten."""
    await connection.execute(_FORGET, {"now": now})
    values = {"challenge_hash": challenge_hash, "staff_id": staff_id, "purpose": purpose, "expires_at": expires_at}
    await connection.execute(_ASK, values)


async def take(connection: AsyncConnection, challenge_hash: bytes, purpose: Purpose, now: datetime) -> UUID | None:
    """Use up a challenge: whom it was for, ``None`` if it was used, is over, or never was one for this purpose."""
    values = {"challenge_hash": challenge_hash, "purpose": purpose, "now": now}
    found: UUID | None = (await connection.execute(_TAKE, values)).scalar_one_or_none()
    return found
