"""Passwords and authenticators of people."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.staff.accounts import Account


class Kind(StrEnum):
    PASSWORD = "password"  # noqa: S105 - its kind
    TOTP = "totp"


class Credentials(msgspec.Struct, frozen=True):
    """Of an account. ``password``: its hash; ``totp``: the authenticator's secret, as it is stored; ``passkeys``: how many."""

    account: Account
    password: bytes | None
    totp: bytes | None
    passkeys: int

    @property
    def has_second_factor(self) -> bool:
        """Whether there is an authenticator or a passkey."""
        return self.totp is not None or self.passkeys > 0


_OF: Final = """
    SELECT s.id, s.email, s.name, s.role, s.created_at, s.suspended_at, p.data AS password, t.data AS totp,
           (SELECT count(*) FROM staff_passkeys k WHERE k.staff_id = s.id) AS passkeys
    FROM staff s
    LEFT JOIN staff_credentials p ON p.staff_id = s.id AND p.kind = 'password'
    LEFT JOIN staff_credentials t ON t.staff_id = s.id AND t.kind = 'totp'
"""
_OF_EMAIL = text(f"{_OF} WHERE s.email = :email")
_OF_ID = text(f"{_OF} WHERE s.id = :id")
_SET = text(
    """
    INSERT INTO staff_credentials (staff_id, kind, data, counter, created_at) VALUES (:id, :kind, :data, :counter, :at)
    ON CONFLICT (staff_id, kind) DO UPDATE
        SET data = EXCLUDED.data, counter = EXCLUDED.counter, created_at = EXCLUDED.created_at
    """
)
_REPLACE = text("UPDATE staff_credentials SET data = :data WHERE staff_id = :id AND kind = :kind")
_REMOVE = text("DELETE FROM staff_credentials WHERE staff_id = :id AND kind = :kind")
_USE = text(
    "UPDATE staff_credentials SET counter = :step"
    " WHERE staff_id = :id AND kind = 'totp' AND (counter IS NULL OR counter < :step) RETURNING counter"
)


async def of_email(connection: AsyncConnection, email: str) -> Credentials | None:
    """The credentials of the account with this address."""
    return _credentials((await connection.execute(_OF_EMAIL, {"email": email})).mappings().one_or_none())


async def of_person(connection: AsyncConnection, id: UUID) -> Credentials | None:
    """The credentials of this person."""
    return _credentials((await connection.execute(_OF_ID, {"id": id})).mappings().one_or_none())


def _credentials(row: object) -> Credentials | None:
    if row is None:
        return None
    values = dict(row)  # type: ignore[call-overload]  # a mapping of SQLAlchemy
    password, totp, passkeys = values.pop("password"), values.pop("totp"), values.pop("passkeys")
    return Credentials(msgspec.convert(values, Account), password, totp, passkeys)


async def set_one(
    connection: AsyncConnection, id: UUID, kind: Kind, data: bytes, at: datetime, counter: int | None = None
) -> None:
    """Set or replace a credential. ``counter``: the time step of the code that confirmed it."""
    await connection.execute(_SET, {"id": id, "kind": kind, "data": data, "counter": counter, "at": at})


async def replace_data(connection: AsyncConnection, id: UUID, kind: Kind, data: bytes) -> None:
    """Store the same credential in another way."""
    await connection.execute(_REPLACE, {"id": id, "kind": kind, "data": data})


async def remove(connection: AsyncConnection, id: UUID, kind: Kind) -> None:
    """Remove a credential."""
    await connection.execute(_REMOVE, {"id": id, "kind": kind})


async def use_step(connection: AsyncConnection, id: UUID, step: int) -> bool:
    """Note that the code of this time step was used; whether neither it nor a later one was used before."""
    return (await connection.execute(_USE, {"id": id, "step": step})).first() is not None
