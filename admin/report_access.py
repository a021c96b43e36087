"""Who may read reports, and of which payments: API keys with the scope ``analytics:read`` or ``analytics:all``."""

from typing import NamedTuple

from admin.problems import Problem
from billing.access.scopes import Scope
from runtime.http.problems import ProblemError
from storage.access.key_ring import KeyRing


class Reader(NamedTuple):
    """Who reads. ``only``: the API client whose payments the reader may see; ``None``: all payments."""

    client: str
    only: str | None


class ReportAccess:
    """Checks the keys of programs, and those behind people's sessions."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys = keys

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
