"""Who may read: API keys with the scope for it, on record or of the settings."""

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.problems import Problem, ProblemError
from billing.access.scopes import Scope
from storage.access.api_keys import live_keys, note_use

#: How soon a new key opens the door, and a revoked one does not any more.
REFRESH_S: Final = 5.0
_GOOD: Final = frozenset({Scope.ANALYTICS_READ, Scope.ADMIN})


class _Key(NamedTuple):
    id: str | None
    client: str
    may_read: bool


class ReportAccess:
    """``own``: client name → SHA-256 (hex) of a key of the settings, which may do everything."""

    def __init__(
        self, own: Mapping[str, SecretStr], engine: AsyncEngine, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = {bytes.fromhex(digest.get_secret_value()): _Key(None, name, True) for name, digest in own.items()}
        self._keys = self._own
        self._engine = engine
        self._clock = clock
        self._read_at: float | None = None

    async def client(self, digest: bytes) -> str:
        """The API client whose key this is the SHA-256 of; 401 when it is nobody's, 403 when it may not read."""
        await self._refresh()
        known = self._keys.get(digest)
        if known is None:
            raise ProblemError(Problem.UNAUTHORIZED)
        if not known.may_read:
            raise ProblemError(Problem.FORBIDDEN)
        if known.id is not None:
            await self._note(known.id)
        return known.client

    async def _refresh(self) -> None:
        now = self._clock()
        if self._read_at is not None and now - self._read_at < REFRESH_S:
            return
        try:
            async with self._engine.connect() as connection:
                stored = await live_keys(connection)
        except (SQLAlchemyError, OSError) as error:
            if self._read_at is None:
                raise ProblemError(Problem.UNAVAILABLE, "API keys cannot be read") from error
            return  # those known stay good
        on_record = {key.hash: _Key(key.id, key.client, not _GOOD.isdisjoint(key.scopes)) for key in stored}
        self._keys = {**on_record, **self._own}
        self._read_at = now

    async def _note(self, id: str) -> None:
        try:
            async with self._engine.begin() as connection:
                await note_use(connection, {id: datetime.now(UTC)})
        except (SQLAlchemyError, OSError):
            return  # a time of last use is not worth an answer


def digest_of(key: str) -> bytes:
    """What of a key is stored and compared."""
    return hashlib.sha256(key.strip().encode()).digest()
