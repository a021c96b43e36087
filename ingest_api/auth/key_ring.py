"""API keys of clients, known by their SHA-256 only."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from billing.access.scopes import Scope
from ingest_api.problems import Problem, ProblemError, unavailable
from storage.access.api_keys import StoredKey, live_keys, note_use

log = structlog.get_logger(__name__)

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SCHEME: Final = "bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="billing"'}
_INVALID: Final = {"WWW-Authenticate": 'Bearer realm="billing", error="invalid_token"'}


class ApiKey(NamedTuple):
    """A live key. ``id`` is ``None``, and ``rate_per_s`` infinite, for one that the settings gave."""

    client: str
    digest: bytes
    scopes: frozenset[str]
    id: str | None = None
    rate_per_s: float = float("inf")


class KeyStore(Protocol):
    """Where keys are on record."""

    async def exchange(self, used: Mapping[str, datetime]) -> Iterable[StoredKey]:
        """Note when keys (by id) were used last; the live ones. Raises :class:`ProblemError` while it is away."""


class KeyRing:
    """The keys that open the door: those of the settings and, read again and again in the background, those on record.

    ``hashes``: client name → SHA-256 (hex) of its key. Raises :class:`ValueError` for a name or hash that cannot be
    one: a colon in a name would let two clients share payment ids. A key of the settings may do everything.
    """

    def __init__(
        self,
        hashes: Mapping[str, SecretStr],
        book: KeyStore,
        *,
        clock: Callable[[], datetime],
        refresh_s: float,
        default_rate_per_s: float,
    ) -> None:
        self._own: dict[bytes, ApiKey] = {}
        for name, secret in hashes.items():
            digest = secret.get_secret_value()
            if not _CLIENT_NAME.fullmatch(name) or not _SHA256_HEX.fullmatch(digest):
                raise ValueError(f"API client {name!r}: the name or the SHA-256 of its key is not valid")
            raw = bytes.fromhex(digest)
            self._own[raw] = ApiKey(name, raw, frozenset((Scope.ADMIN,)))
        self._keys = self._own
        self._book = book
        self._clock = clock
        self._refresh_s = refresh_s
        self._default_rate_per_s = default_rate_per_s
        self._used: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        self.is_loaded = False

    async def start(self) -> None:
        """Begin to read the keys on record; returns at once."""
        self._task = asyncio.create_task(self._run(), name="api-keys")

    async def close(self) -> None:
        """Stop reading, and note what was used last."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with suppress(ProblemError):  # away: the last seconds of last_used_at are not worth waiting for
                await self.refresh()

    async def refresh(self) -> None:
        """Read the keys on record once. While they cannot be read, those read before stay good."""
        used, self._used = self._used, {}
        try:
            stored = await self._book.exchange(used)
        except ProblemError:
            self._used = {**used, **self._used}
            raise
        on_record = {
            key.hash: ApiKey(
                key.client, key.hash, frozenset(key.scopes), key.id, key.rate_per_s or self._default_rate_per_s
            )
            for key in stored
        }
        self._keys = {**on_record, **self._own}
        self.is_loaded = True

    def authenticate(self, request: Request, scope: Scope) -> ApiKey:
        """The key that was sent; 401 when it is missing or wrong, 403 when it is not good for ``scope``."""
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise ProblemError(Problem.UNAUTHORIZED, headers=_CHALLENGE)
        key = self._find(header[len(_SCHEME) :].strip())
        if key is None:
            if not self.is_loaded:
                raise unavailable("API keys cannot be checked yet")
            raise ProblemError(Problem.UNAUTHORIZED, headers=_INVALID)
        if scope not in key.scopes and Scope.ADMIN not in key.scopes:
            raise ProblemError(Problem.FORBIDDEN, scope=scope)
        if key.id is not None:
            self._used[key.id] = self._clock()
        return key

    def _find(self, sent: str) -> ApiKey | None:
        # A look-up by the SHA-256 of a random key tells by its time nothing that helps to guess one; the comparison
        # itself takes the same time wherever it differs.
        digest = hashlib.sha256(sent.encode("latin-1")).digest()
        key = self._keys.get(digest)
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
            except ProblemError as error:
                log.warning("API keys cannot be read, those known stay good", detail=error.detail)
            await asyncio.sleep(self._refresh_s)


class PostgresKeyStore:
    """Keys in Postgres."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def exchange(self, used: Mapping[str, datetime]) -> Iterable[StoredKey]:
        """Note the use of keys, read the live ones."""
        try:
            async with self._engine.begin() as connection:
                await note_use(connection, used)
                return await live_keys(connection)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(f"API keys cannot be read: {type(error).__name__}") from error
