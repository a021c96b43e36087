"""Who may do what here: API keys and their scopes."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import structlog
from starlette.requests import Request

from admin.problems import Problem
from billing.access.scopes import Scope
from runtime.http.credentials import FailedAttempts, bearer_key
from runtime.http.problems import ProblemError
from storage.access.key_ring import ApiKey, KeyRing, digest_of

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Reader(NamedTuple):
    """Who reads reports. ``only``: the API client whose payments the reader may see; ``None``: all payments."""

    client: str
    only: str | None


class Access:
    """Checks the keys of programs. People sign in by themselves (`admin/people/`)."""

    def __init__(self, keys: KeyRing, clock: Callable[[], float] = time.monotonic) -> None:
        self.keys = keys
        self._failed = FailedAttempts(clock)

    def admit(self, request: Request, scope: Scope) -> str:
        """The client whose key the request has. Raises :class:`ProblemError`: 401, 403 for a key without the scope, 429
        and 503 as :meth:`authenticate` does."""
        key = bearer_key(request)
        if key is None:
            raise ProblemError(Problem.UNAUTHORIZED)
        return self._counted(request, lambda: self._client(digest_of(key), scope))

    def authenticate(self, request: Request, key: str) -> Reader:
        """Who reads reports with this key. Raises :class:`ProblemError`: 401 for an unknown key, 403 for one without the
        scope, 503 before the keys on record were read, and 429 while the sender's address has sent too many wrong keys."""
        return self._counted(request, lambda: self._reader(digest_of(key)))

    def _reader(self, digest: bytes) -> Reader:
        key = self._key(digest)
        sees_all = key.allows(Scope.ANALYTICS_ALL)
        if not sees_all and not key.allows(Scope.ANALYTICS_READ):
            raise ProblemError(Problem.FORBIDDEN, scope=Scope.ANALYTICS_READ)
        self.keys.note_use(key)
        return Reader(key.client, None if sees_all else key.client)

    def _client(self, digest: bytes, scope: Scope) -> str:
        key = self._key(digest)
        if not key.allows(scope):
            raise ProblemError(Problem.FORBIDDEN, scope=scope)
        self.keys.note_use(key)
        return key.client

    def _key(self, digest: bytes) -> ApiKey:
        key = self.keys.find(digest)
        if key is None:
            if not self.keys.is_loaded:
                raise ProblemError(Problem.UNAVAILABLE, "API keys cannot be checked yet")
            raise ProblemError(Problem.UNAUTHORIZED)
        return key

    def _counted(self, request: Request, find: Callable[[], T]) -> T:
        """What ``find`` returns; wrong keys count against the sender's address."""
        address = "unknown" if request.client is None else request.client.host
        wait_s = self._failed.wait_s(address)
        if wait_s:
            raise ProblemError(Problem.TOO_MANY_ATTEMPTS, headers={"Retry-After": str(wait_s)})
        try:
            return find()
        except ProblemError as error:
            if error.problem in (Problem.UNAUTHORIZED, Problem.FORBIDDEN):
                log.warning("API key refused", address=address, problem=error.problem.code)
            if error.problem is Problem.UNAUTHORIZED:
                self._failed.note(address)
            raise
