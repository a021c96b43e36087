"""Valid API keys in memory, by their SHA-256: those of the settings, and those on record, read in the background."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Final, NamedTuple, Protocol

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.access.scopes import Scope
from runtime.new_keys import is_client_name
from runtime.settings.base import SettingsRefused
from storage.access.api_keys import StoredKey, live_keys, note_use

log = structlog.get_logger(__name__)

_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")


class KeysUnavailable(Exception):
    """The keys on record cannot be read now."""


class ApiKey(NamedTuple):
    """A live key. ``id`` is ``None``, and ``rate_per_s`` infinite, for a key of the settings. ``return_hosts``: the hosts
    to which its client may send customers back, ``None`` for any."""

    client: str
    digest: bytes
    scopes: frozenset[str]
    id: str | None = None
    rate_per_s: float = inf
    return_hosts: frozenset[str] | None = None

    def may_return_to(self, host: str) -> bool:
        """Whether customers may be sent back to this host: one of the list, or below one that begins with ``*.``"""
        if self.return_hosts is None or host in self.return_hosts:
            return True
        above = host.split(".")
        return any(f"*.{'.'.join(above[at:])}" in self.return_hosts for at in range(1, len(above)))

    def allows(self, scope: Scope) -> bool:
        """Whether the key has the scope, or that of an administrator."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class KeyStore(Protocol):
    """The keys on record."""

    async def exchange(self, used: Mapping[str, datetime]) -> Iterable[StoredKey]:
        """Record when keys (by id) were last used; returns the live ones. Raises :class:`KeysUnavailable`."""


class KeyRing:
    """Finds the key that a client sent.

    ``hashes``: client name → SHA-256 (hex) of a key of the settings, which has every scope. Raises
    :class:`SettingsRefused` for a name or hash that is not valid: a colon in a name would let two clients share payment
    ids. ``default_rate_per_s``: for keys on record without a rate of their own.
    """

    def __init__(
        self,
        hashes: Mapping[str, SecretStr],
        store: KeyStore,
        *,
        clock: Callable[[], datetime],
        refresh_s: float,
        default_rate_per_s: float = inf,
    ) -> None:
        self._own: dict[bytes, ApiKey] = {}
        for name, secret in hashes.items():
            digest = secret.get_secret_value()
            if not is_client_name(name) or not _SHA256_HEX.fullmatch(digest):
                raise SettingsRefused(
                    f"BILLING_API_KEYS: API client {name!r}: the name or the SHA-256 (hex) of its key is not valid"
                )
            raw = bytes.fromhex(digest)
            self._own[raw] = ApiKey(name, raw, frozenset((Scope.ADMIN,)))
        self._keys = self._own
        self._store = store
        self._clock = clock
        self._refresh_s = refresh_s
        self._default_rate_per_s = default_rate_per_s
        self._used: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        #: Whether the keys on record were read at least once.
        self.is_loaded = False

    async def start(self) -> None:
        """Start reading the keys on record; returns at once."""
        self._task = asyncio.create_task(self._run(), name="api-keys")

    async def close(self) -> None:
        """Stop reading, and record the last uses."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with suppress(KeysUnavailable):  # losing the last seconds of last_used_at is acceptable
                await self.refresh()

    async def refresh(self) -> None:
        """Read the keys on record once. Raises :class:`KeysUnavailable`; the keys read before stay valid."""
        used, self._used = self._used, {}
        try:
            stored = await self._store.exchange(used)
        except KeysUnavailable:
            self._used = {**used, **self._used}
            raise
        on_record = {
            key.hash: ApiKey(
                key.client,
                key.hash,
                frozenset(key.scopes),
                key.id,
                key.rate_per_s or self._default_rate_per_s,
                None if key.return_hosts is None else frozenset(key.return_hosts),
            )
            for key in stored
        }
        self._keys = {**on_record, **self._own}
        self.is_loaded = True

    def find(self, digest: bytes) -> ApiKey | None:
        """The live key with this SHA-256."""
        # Looking up the SHA-256 of a random key leaks nothing useful by its time; the comparison takes the same time
        # wherever the two differ.
        key = self._keys.get(digest)
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def note_use(self, key: ApiKey) -> None:
        """The key was used now; recorded with the next refresh."""
        if key.id is not None:
            self._used[key.id] = self._clock()

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
            except KeysUnavailable as error:
                log.warning("API keys cannot be read, the known keys stay valid", detail=str(error))
            await asyncio.sleep(self._refresh_s)


class PostgresKeyStore:
    """Keys in Postgres."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def exchange(self, used: Mapping[str, datetime]) -> Iterable[StoredKey]:
        """Record the last use of keys, read the live ones."""
        try:
            async with self._engine.begin() as connection:
                await note_use(connection, used)
                return await live_keys(connection)
        except (SQLAlchemyError, OSError) as error:
            raise KeysUnavailable(f"API keys cannot be read: {type(error).__name__}") from error


def digest_of(key: str) -> bytes:
    """The SHA-256 of a key as a client sends it."""
    return hashlib.sha256(key.strip().encode()).digest()
