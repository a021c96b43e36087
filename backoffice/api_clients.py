"""API clients and their keys: create, list, rotate, revoke."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.operators import ActionRefused, InvalidArgument, Operator, recorded
from billing.access.scopes import Scope
from runtime.clock import utc_now
from runtime.new_keys import is_client_name, new_key
from runtime.postgres import connected
from runtime.settings import PostgresSettings
from storage.access import api_keys
from storage.access.api_keys import KeyRefused, StoredKey

#: A host name in ASCII (punycode), an address, or all hosts below a name.
_HOST: Final = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class IssuedKey(msgspec.Struct, frozen=True):
    """A new key. ``key`` is the secret, for the client alone: only its hash is stored."""

    client: str
    id: str
    scopes: list[str]
    key: str

    def __repr__(self) -> str:
        return f"IssuedKey(client={self.client!r}, id={self.id!r})"


async def create_client(
    settings: PostgresSettings,
    operator: Operator,
    client: str,
    scopes: Iterable[Scope],
    rate_per_s: int | None,
    return_hosts: Iterable[str] = (),
) -> IssuedKey:
    """Create an API client and its first key. ``rate_per_s``: requests per second, ``None`` for the default.
    ``return_hosts``: where it may send customers back to; empty: anywhere.

    Raises :class:`InvalidArgument` for a name or a host that is not valid, :class:`ActionRefused` if the client exists.
    """
    if not is_client_name(client):
        raise InvalidArgument(f"{client!r} cannot be the name of a client")
    hosts = _hosts(return_hosts)
    key, now = new_key(), utc_now()
    async with _changing(settings, operator, "create_api_client", "api_client", client) as (connection, details):
        await api_keys.create_client(connection, client, rate_per_s, hosts, now)
        granted = await api_keys.add_key(connection, client, key.id, key.hash, sorted(set(scopes)), now)
        limited = {"return_hosts": hosts} if hosts else {}
        details |= {"key": key.id, "scopes": granted, "rate_per_s": rate_per_s, **limited}
    return IssuedKey(client, key.id, granted, key.secret)


async def set_return_hosts(
    settings: PostgresSettings, operator: Operator, client: str, return_hosts: Iterable[str]
) -> None:
    """Replace the hosts to which a client may send customers back; empty: anywhere. Ingest knows them within
    ``BILLING_API_KEYS_REFRESH_S`` seconds.

    Raises :class:`InvalidArgument` for a host that is not valid, :class:`ActionRefused` if there is no such client.
    """
    hosts = _hosts(return_hosts)
    async with _changing(settings, operator, "set_return_hosts", "api_client", client) as (connection, details):
        await api_keys.set_return_hosts(connection, client, hosts)
        details["return_hosts"] = hosts


def _hosts(given: Iterable[str]) -> list[str] | None:
    hosts = sorted({host.lower() for host in given})
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise InvalidArgument(f"{host!r} is no host: shop.example, or *.shop.example for all hosts below it")
    return hosts or None


async def list_keys(settings: PostgresSettings, *, include_revoked: bool = False) -> list[StoredKey]:
    """The live keys, or all keys ever issued, by client and age."""
    async with connected(settings) as engine, engine.connect() as connection:
        return await (api_keys.all_keys if include_revoked else api_keys.live_keys)(connection)


async def rotate_key(
    settings: PostgresSettings, operator: Operator, client: str, after: str | None = None
) -> IssuedKey:
    """Issue another key with the scopes of the client's latest. The old one stays valid until it is revoked. ``after``: the
    key that the person saw as the latest.

    Raises :class:`ActionRefused` if there is no such client, it has two live keys already, or a key newer than ``after``.
    """
    key, now = new_key(), utc_now()
    async with _changing(settings, operator, "rotate_api_key", "api_client", client) as (connection, details):
        granted = await api_keys.add_key(connection, client, key.id, key.hash, None, now, after)
        details |= {"key": key.id, "scopes": granted}
    return IssuedKey(client, key.id, granted, key.secret)


async def revoke_key(settings: PostgresSettings, operator: Operator, key_id: str) -> str:
    """Revoke a key; returns its client. Ingest refuses the key within ``BILLING_API_KEYS_REFRESH_S`` seconds.

    Raises :class:`ActionRefused` if there is no live key with this id.
    """
    async with _changing(settings, operator, "revoke_api_key", "api_key", key_id) as (connection, details):
        client = await api_keys.revoke_key(connection, key_id, utc_now())
        details["client"] = client
    return client


@asynccontextmanager
async def _changing(
    settings: PostgresSettings, operator: Operator, action: str, subject_kind: str, subject_id: str
) -> AsyncIterator[tuple[AsyncConnection, dict[str, Any]]]:
    """A transaction that changes keys, with the details of its record."""
    async with (
        connected(settings) as engine,
        recorded(engine, operator, action, subject_kind, subject_id) as record,
        engine.begin() as connection,
    ):
        try:
            yield connection, record.details
        except KeyRefused as error:
            raise ActionRefused(str(error)) from error
        await record.complete(connection)
