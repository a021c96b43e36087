"""What a failed HTTP call tells: whether the provider can have heard of it."""

import aiohttp

from billing.vocabulary import Outcome
from providers.base import CallResult

#: 5xx answers that a proxy may give after the provider acted, or the provider itself: nothing is certain.
SERVER_ERROR = 500
TOO_MANY_REQUESTS = 429


def failed(error: Exception) -> CallResult:
    """The outcome of a call that got no answer. Only a connection that was never made is certainly not sent."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return CallResult(Outcome.NOT_SENT, reason="unreachable")
    if isinstance(error, TimeoutError):
        return CallResult(Outcome.UNKNOWN, reason="timeout")
    return CallResult(Outcome.UNKNOWN, reason="connection_broken")
