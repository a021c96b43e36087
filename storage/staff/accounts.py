"""Accounts of people, and the links with which they choose a password."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.access.roles import Role


class AccountRefused(Exception):
    """The account cannot be changed so. The message says why."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person. ``email``: lower case. Times are UTC."""

    id: UUID
    email: str
    name: str
    role: Role
    created_at: datetime
    suspended_at: datetime | None


class ListedAccount(Account, frozen=True, kw_only=True):
    """``credentials``: kinds, sorted; none before the person has chosen a password or signed in at an OpenID provider.
    ``seen_at``: in a session."""

    credentials: tuple[str, ...]
    seen_at: datetime | None


_COLUMNS: Final = "s.id, s.email, s.name, s.role, s.created_at, s.suspended_at"
_ADD = text(
    "INSERT INTO staff (id, email, name, role, created_at, created_by)"
    " VALUES (:id, :email, :name, :role, :created_at, :created_by)"
)
_LIST = text(
    f"""
    SELECT {_COLUMNS},
           ARRAY(SELECT kind FROM staff_credentials c WHERE c.staff_id = s.id
                 UNION SELECT 'passkey' FROM staff_passkeys p WHERE p.staff_id = s.id
                 UNION SELECT 'openid' FROM staff_identities i WHERE i.staff_id = s.id ORDER BY 1) AS credentials,
           (SELECT max(seen_at) FROM staff_sessions e WHERE e.staff_id = s.id) AS seen_at
    FROM staff s ORDER BY s.suspended_at IS NOT NULL, s.email
    """  # noqa: S608 - of constants
)
_FIND = text(f"SELECT {_COLUMNS} FROM staff s WHERE s.email = :email FOR UPDATE")  # noqa: S608
_ROLE = text("UPDATE staff SET role = :role WHERE id = :id")
_SUSPEND = text("UPDATE staff SET suspended_at = :at WHERE id = :id")
_LINK = text(
    "INSERT INTO staff_links (token_hash, staff_id, created_at, expires_at) VALUES (:token_hash, :id, :at, :expires_at)"
)
_END_LINKS = text("UPDATE staff_links SET ended_at = :at WHERE staff_id = :id AND ended_at IS NULL")
_LINKED = text(
    f"""
    SELECT {_COLUMNS} FROM staff_links l JOIN staff s ON s.id = l.staff_id
    WHERE l.token_hash = :token_hash AND l.ended_at IS NULL AND l.expires_at > :now AND s.suspended_at IS NULL
    """  # noqa: S608 - of constants
)
_USE_LINK = text(
    "UPDATE staff_links SET ended_at = :now"
    " WHERE token_hash = :token_hash AND ended_at IS NULL AND expires_at > :now RETURNING staff_id"
)


async def add(connection: AsyncConnection, account: Account, created_by: str) -> None:
    """Add an account. Raises :class:`AccountRefused` if the address has one."""
    values = msgspec.structs.asdict(account) | {"created_by": created_by}
    try:
        await connection.execute(_ADD, values)
    except IntegrityError as error:
        raise AccountRefused(f"{account.email} is on the staff already") from error


async def list_all(connection: AsyncConnection) -> list[ListedAccount]:
    """Every account, suspended ones last."""
    rows = (await connection.execute(_LIST)).mappings()
    return [msgspec.convert(dict(row), ListedAccount) for row in rows]


async def find(connection: AsyncConnection, email: str) -> Account:
    """The account, locked until the transaction ends. Raises :class:`AccountRefused` if there is none."""
    row = (await connection.execute(_FIND, {"email": email})).mappings().one_or_none()
    if row is None:
        raise AccountRefused(f"{email} is not on the staff")
    return msgspec.convert(dict(row), Account)


async def set_role(connection: AsyncConnection, id: UUID, role: Role) -> None:
    """Change what the person may do."""
    await connection.execute(_ROLE, {"id": id, "role": role})


async def set_suspended(connection: AsyncConnection, id: UUID, at: datetime | None) -> None:
    """Suspend the account at this time; ``None``: let the person in again."""
    await connection.execute(_SUSPEND, {"id": id, "at": at})


async def add_link(
    connection: AsyncConnection, id: UUID, token_hash: bytes, at: datetime, expires_at: datetime
) -> None:
    """Add a link; earlier ones of the person end."""
    await end_links(connection, id, at)
    await connection.execute(_LINK, {"id": id, "token_hash": token_hash, "at": at, "expires_at": expires_at})


async def end_links(connection: AsyncConnection, id: UUID, at: datetime) -> None:
    """End all links of the person."""
    await connection.execute(_END_LINKS, {"id": id, "at": at})


async def linked(connection: AsyncConnection, token_hash: bytes, now: datetime) -> Account | None:
    """Whom the link is for, while it can be used."""
    row = (await connection.execute(_LINKED, {"token_hash": token_hash, "now": now})).mappings().one_or_none()
    return None if row is None else msgspec.convert(dict(row), Account)


async def use_link(connection: AsyncConnection, token_hash: bytes, now: datetime) -> bool:
    """End the link; whether it could be used. Of two at the same time one gets it."""
    return (await connection.execute(_USE_LINK, {"token_hash": token_hash, "now": now})).first() is not None
