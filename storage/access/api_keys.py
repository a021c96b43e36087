"""API clients and their keys. Only the SHA-256 of a key is stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Live keys of one client: the one in use and its replacement.
MAX_LIVE: Final = 2


class KeyRefused(Exception):
    """The change is not possible; the message says why."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key. ``rate_per_s``: requests per second that its client may make, ``None`` for the default.
    ``return_hosts``: the hosts to which its client may send customers back, ``None`` for any."""

    id: str
    client: str
    hash: bytes
    scopes: list[str]
    rate_per_s: int | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    return_hosts: list[str] | None = None


_KEYS = """
    SELECT k.id, k.client, k.hash, k.scopes, c.rate_per_s, k.created_at, k.revoked_at, k.last_used_at, c.return_hosts
    FROM api_keys k JOIN api_clients c ON c.name = k.client
"""
_ALL = text(f"{_KEYS} ORDER BY k.client, k.created_at")
_LIVE = text(f"{_KEYS} WHERE k.revoked_at IS NULL ORDER BY k.client, k.created_at")
_FIND = text(f"{_KEYS} WHERE k.id = :id")
_CLIENT = text(
    """
    INSERT INTO api_clients (name, rate_per_s, created_at, return_hosts)
    VALUES (:name, :rate_per_s, :at, CAST(:return_hosts AS text[]))
    ON CONFLICT DO NOTHING RETURNING name
    """
)
_RETURN_HOSTS = text(
    "UPDATE api_clients SET return_hosts = CAST(:return_hosts AS text[]) WHERE name = :client RETURNING name"
)
# The lock on the client serialises two rotations at the same time.
_LOCK = text("SELECT name FROM api_clients WHERE name = :client FOR UPDATE")
# A revoked key is the latest only of a client without a live one.
_OF_LATEST = "FROM api_keys WHERE client = :client ORDER BY revoked_at IS NOT NULL, created_at DESC LIMIT 1"
_SCOPES = text(f"SELECT scopes {_OF_LATEST}")
_LATEST = text(f"SELECT id {_OF_LATEST}")
_COUNT = text("SELECT count(*) FROM api_keys WHERE client = :client AND revoked_at IS NULL")
_INSERT = text("INSERT INTO api_keys (id, client, hash, scopes, created_at) VALUES (:id, :client, :hash, :scopes, :at)")
_REVOKE = text("UPDATE api_keys SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL RETURNING client")
_USED = text(
    """
    UPDATE api_keys k SET last_used_at = u.at
    FROM (SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:times AS timestamptz[])) AS t(id, at)) u
    WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)
    """
)


async def all_keys(connection: AsyncConnection) -> list[StoredKey]:
    """Every key, revoked ones included."""
    return [StoredKey(**row) for row in (await connection.execute(_ALL)).mappings()]


def latest_ids(keys: Iterable[StoredKey]) -> set[str]:
    """Of each client the key that :func:`add_key` takes as its latest. ``keys``: by age."""
    return set({key.client: key.id for key in sorted(keys, key=lambda key: key.revoked_at is None)}.values())


async def live_keys(connection: AsyncConnection) -> list[StoredKey]:
    """The keys that are not revoked."""
    return [StoredKey(**row) for row in (await connection.execute(_LIVE)).mappings()]


async def find(connection: AsyncConnection, id: str) -> StoredKey | None:
    """The key with this id, live or revoked."""
    row = (await connection.execute(_FIND, {"id": id})).mappings().one_or_none()
    return None if row is None else StoredKey(**row)


async def create_client(
    connection: AsyncConnection, name: str, rate_per_s: int | None, return_hosts: list[str] | None, at: datetime
) -> None:
    """Create an API client, without a key yet. Raises :class:`KeyRefused` if the name is taken."""
    made = await connection.execute(
        _CLIENT, {"name": name, "rate_per_s": rate_per_s, "return_hosts": return_hosts, "at": at}
    )
    if made.first() is None:
        raise KeyRefused(f"API client {name} exists already: rotate its key")


async def set_return_hosts(connection: AsyncConnection, client: str, return_hosts: list[str] | None) -> None:
    """Replace the hosts of a client. Raises :class:`KeyRefused` if there is no such client."""
    found = await connection.execute(_RETURN_HOSTS, {"client": client, "return_hosts": return_hosts})
    if found.first() is None:
        raise KeyRefused(f"there is no API client {client}")


async def add_key(
    connection: AsyncConnection,
    client: str,
    id: str,
    hash: bytes,
    scopes: list[str] | None,
    at: datetime,
    after: str | None = None,
) -> list[str]:
    """Add a key to a client and return its scopes: those of its latest key if ``scopes`` is ``None``. ``after``: the id of
    the key that has to be its latest: the newest live one, or the newest where none is live.

    Raises :class:`KeyRefused` if there is no such client, it already has :data:`MAX_LIVE` live keys, or its latest key is
    another than ``after``.
    """
    if (await connection.execute(_LOCK, {"client": client})).first() is None:
        raise KeyRefused(f"there is no API client {client}")
    if after is not None and (await connection.execute(_LATEST, {"client": client})).scalar() != after:
        raise KeyRefused(f"{client} was given another key meanwhile: revoke that one if nobody has seen it")
    if (await connection.execute(_COUNT, {"client": client})).scalar_one() >= MAX_LIVE:
        raise KeyRefused(f"{client} has {MAX_LIVE} live keys: revoke the old one first")
    if scopes is None:
        scopes = (await connection.execute(_SCOPES, {"client": client})).scalar_one()
    await connection.execute(_INSERT, {"id": id, "client": client, "hash": hash, "scopes": scopes, "at": at})
    return scopes


async def revoke_key(connection: AsyncConnection, id: str, at: datetime) -> str:
    """Revoke a key and return its client. Raises :class:`KeyRefused` if there is no live key with this id."""
    client: str | None = (await connection.execute(_REVOKE, {"id": id, "at": at})).scalar_one_or_none()
    if client is None:
        raise KeyRefused(f"there is no live key {id}")
    return client


async def note_use(connection: AsyncConnection, used: Mapping[str, datetime]) -> None:
    """Record when keys were last used: key id → time (UTC)."""
    if used:
        await connection.execute(_USED, {"ids": list(used), "times": list(used.values())})
