"""Admits a client's request: API key, scope and rate limit."""

import math
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from token_bucket import Limiter, MemoryStorage

from billing.access.scopes import Scope
from ingest_api.problems import Problem, ProblemError, unavailable
from runtime.http.credentials import bearer_key
from storage.access.key_ring import ApiKey, KeyRing, digest_of

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="billing"'}
_INVALID: Final = {"WWW-Authenticate": 'Bearer realm="billing", error="invalid_token"'}

#: Seconds of its rate that a client may spend at once.
BURST_S: Final = 2


class RateLimits:
    """Limits the rate of each client in this process to its share: the client's rate divided by ``processes()``, the
    number of processes now.

    Together the processes never admit more than the rate. A client that uses only one of them gets only that share.
    See ADR 0009.
    """

    def __init__(self, processes: Callable[[], int]) -> None:
        self._processes = processes
        self._storage = MemoryStorage()
        self._limiters: dict[str, tuple[float, Limiter, int]] = {}

    def take(self, client: str, rate_per_s: float) -> list[tuple[bytes, bytes]]:
        """Count one request. Returns the RateLimit headers of its response, none where there is no limit; 429 when the
        client exceeded its rate."""
        if math.isinf(rate_per_s):
            return []
        share = rate_per_s / self._processes()
        capacity = max(1, math.ceil(share * BURST_S))
        known = self._limiters.get(client)
        if known is None or known[0] != share:  # the first request, or the rate or the number of processes changed
            known = self._limiters[client] = (share, Limiter(share, capacity, self._storage), capacity)
        admitted = known[1].consume(client)
        left = self._storage.get_token_count(client)
        wait_s = max(1, math.ceil((1 - left) / share))
        headers = {
            "RateLimit-Policy": f'"client";q={capacity};w={math.ceil(capacity / share)}',
            "RateLimit": f'"client";r={int(left)};t={wait_s if left < 1 else 0}',
        }
        if not admitted:
            raise ProblemError(Problem.TOO_MANY_REQUESTS, headers={**headers, "Retry-After": str(wait_s)})
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class Admission:
    """Admits requests thousands of times a second, so it queries neither Kafka nor Postgres."""

    def __init__(self, keys: KeyRing, limits: RateLimits) -> None:
        self.keys = keys
        self._limits = limits

    def admit(self, request: Request, scope: Scope) -> str:
        """The client's name; 401, 403 or 429."""
        key = self._authenticate(request, scope)
        request.state.api_key = key
        headers = self._limits.take(key.client, key.rate_per_s)
        if headers:
            request.state.rate_limit = headers  # the request context adds them to the response
        return key.client

    def is_valid(self, key: ApiKey, scope: Scope) -> bool:
        """Whether a key that was admitted is still live and has the scope: of a request that goes on for long."""
        found = self.keys.find(key.digest)
        return found is not None and found.allows(scope)

    def _authenticate(self, request: Request, scope: Scope) -> ApiKey:
        """The key that was sent; 401 if it is missing or wrong, 403 if it does not allow ``scope``."""
        sent = bearer_key(request)
        if sent is None:
            raise ProblemError(Problem.UNAUTHORIZED, headers=_CHALLENGE)
        key = self.keys.find(digest_of(sent))
        if key is None:
            if not self.keys.is_loaded:
                raise unavailable("API keys cannot be checked yet")
            raise ProblemError(Problem.UNAUTHORIZED, headers=_INVALID)
        if not key.allows(scope):
            raise ProblemError(Problem.FORBIDDEN, scope=scope)
        self.keys.note_use(key)
        return key
