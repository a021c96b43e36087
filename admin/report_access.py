"""Who may read reports: API keys with the scope ``analytics:read``."""

from admin.problems import Problem
from billing.access.scopes import Scope
from runtime.http.problems import ProblemError
from storage.access.key_ring import KeyRing


class ReportAccess:
    """Checks the keys of programs, and those behind people's sessions."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys = keys

    def client(self, digest: bytes) -> str:
        """The API client whose key has this SHA-256. Raises :class:`ProblemError`: 401 for an unknown key, 403 for
        one without the scope, 503 before the keys on record were read."""
        key = self.keys.find(digest)
        if key is None:
            if not self.keys.is_loaded:
                raise ProblemError(Problem.UNAVAILABLE, "API keys cannot be checked yet")
            raise ProblemError(Problem.UNAUTHORIZED)
        if not key.allows(Scope.ANALYTICS_READ):
            raise ProblemError(Problem.FORBIDDEN)
        self.keys.note_use(key)
        return key.client
