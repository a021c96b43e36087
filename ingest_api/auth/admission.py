"""What every request of a client passes first: its key, its scope, its rate."""

from starlette.requests import Request

from billing.access.scopes import Scope
from ingest_api.auth.api_keys import ApiKeys
from ingest_api.auth.rate_limits import RateLimits


class Gate:
    """Neither Kafka nor Postgres is asked here: it is passed thousands of times a second."""

    def __init__(self, keys: ApiKeys, limits: RateLimits) -> None:
        self.keys = keys
        self._limits = limits

    def admit(self, request: Request, scope: Scope) -> str:
        """The client's name; 401, 403 or 429."""
        key = self.keys.authenticate(request, scope)
        headers = self._limits.take(key.client, key.rate_per_s)
        if headers:
            request.state.rate_limit = headers  # the request context puts them on the answer
        return key.client
