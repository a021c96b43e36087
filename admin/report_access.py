"""Who may read reports, and of which payments: API keys with the scope ``analytics:read`` or ``analytics:all``."""

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog
from starlette.requests import Request

from admin.problems import Problem
from billing.access.scopes import Scope
from runtime.http.credentials import FailedAttempts
from runtime.http.problems import ProblemError
from storage.access.key_ring import KeyRing, digest_of

log = structlog.get_logger(__name__)


class Reader(NamedTuple):
    """Who reads. ``only``: the API client whose payments the reader may see; ``None``: all payments."""

    client: str
    only: str | None


class ReportAccess:
    """Checks the keys of programs, and those behind people's sessions."""

    def __init__(self, keys: KeyRing, clock: Callable[[], float] = time.monotonic) -> None:
        self.keys = keys
        self._failed = FailedAttempts(clock)

    def authenticate(self, request: Request, key: str) -> Reader:
        """Who has this key. Raises :class:`ProblemError` as :meth:`reader` does, and 429 while the sender's address has
        sent too many wrong keys."""
        address = "unknown" if request.client is None else request.client.host
        wait_s = self._failed.wait_s(address)
        if wait_s:
            raise ProblemError(Problem.TOO_MANY_ATTEMPTS, headers={"Retry-After": str(wait_s)})
        try:
            return self.reader(digest_of(key))
        except ProblemError as error:
            if error.problem in (Problem.UNAUTHORIZED, Problem.FORBIDDEN):
                log.warning("API key refused", address=address, problem=error.problem.code)
            if error.problem is Problem.UNAUTHORIZED:
                self._failed.note(address)
            raise

    def reader(self, digest: bytes) -> Reader:
        """Who has the key with this SHA-256. Raises :class:`ProblemError`: 401 for an unknown key, 403 for
        one without the scope, 503 before the keys on record were read."""
        key = self.keys.find(digest)
        if key is None:
            if not self.keys.is_loaded:
                raise ProblemError(Problem.UNAVAILABLE, "API keys cannot be checked yet")
            raise ProblemError(Problem.UNAUTHORIZED)
        sees_all = key.allows(Scope.ANALYTICS_ALL)
        if not sees_all and not key.allows(Scope.ANALYTICS_READ):
            raise ProblemError(Problem.FORBIDDEN)
        self.keys.note_use(key)
        return Reader(key.client, None if sees_all else key.client)
