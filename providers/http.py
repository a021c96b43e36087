"""What a provider's HTTP tells before its body is read, and how a call is concluded whatever it raised."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

import aiohttp
import msgspec
import structlog

from billing.errors import InvalidMoney
from billing.messages import ProviderRequest
from billing.reasons import Reason, http_reason
from billing.vocabulary import Outcome
from providers import exchanges
from providers.base import CallResult, Provider, StatementLine, StatementUnavailable, Unsupported
from providers.exchanges import Exchange

#: What a call may raise that says something of the network, not of us.
NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)

OK: Final = range(200, 300)
REFUSED: Final = range(400, 500)
#: The provider, or a proxy before it, gave up waiting: it may have acted all the same.
REQUEST_TIMEOUT: Final = 408
TOO_MANY_REQUESTS: Final = 429
#: Our key is wrong or may not do this. An operator mends it, and then the call may be made.
UNAUTHORIZED: Final = (401, 403)

#: However long a provider asks to be left alone: we ask again after that, seconds.
RETRY_AFTER_MAX_S: Final = 3600
#: Getting a connection must not eat up the deadline of the call, seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: Outcomes that somebody may have to look into.
TROUBLE: Final = frozenset({Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.DECLINED})

log = structlog.get_logger(__name__)


def open_session(timeout_s: float, connections: int) -> aiohttp.ClientSession:
    """Connections to one provider. ``timeout_s``: the deadline of a call; ``connections``: at most so many."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[exchanges.tracing()],
    )


def note(provider: str, request: ProviderRequest, result: CallResult, said: Sequence[Exchange]) -> None:
    """Log how a call ended and, masked, what was said: as a warning where somebody may have to look into it, for
    debugging otherwise."""
    level = logging.WARNING if result.outcome in TROUBLE else logging.DEBUG
    if not logging.getLogger(__name__).isEnabledFor(level):
        return
    log.log(
        level,
        provider,
        action=request.action,
        operation=str(request.operation_id),
        order=request.order_ref,
        outcome=result.outcome,
        reason=result.reason,
        said=exchanges.masked(said),
    )


def failed(error: Exception) -> CallResult:
    """The outcome of a call that got no answer.

    NOT_SENT only where no connection was had: refused, unknown host, TLS failed, no free connection in time.
    Everything later is UNKNOWN, a connection that the other side closed included.
    """
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return CallResult(Outcome.NOT_SENT, reason=Reason.UNREACHABLE)
    if isinstance(error, TimeoutError):
        return CallResult(Outcome.UNKNOWN, reason=Reason.TIMEOUT)
    return CallResult(Outcome.UNKNOWN, reason=Reason.CONNECTION_BROKEN)


def by_status(status: int, headers: Mapping[str, str]) -> CallResult | None:
    """The outcome that the status alone tells; ``None`` where the body decides (2xx, and 4xx of the provider's own).

    5xx, 408 and redirects are UNKNOWN: a proxy gives them after the provider acted. 429 and 401/403 are NOT_SENT:
    the provider turned the call away at the door.
    """
    if status == TOO_MANY_REQUESTS:
        return CallResult(Outcome.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after_s=retry_after_s(headers))
    if status in UNAUTHORIZED:
        return CallResult(Outcome.NOT_SENT, reason=Reason.CREDENTIALS)
    if status == REQUEST_TIMEOUT or (status not in OK and status not in REFUSED):
        return CallResult(Outcome.UNKNOWN, reason=http_reason(status), retry_after_s=retry_after_s(headers))
    return None


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """The seconds that ``Retry-After`` asks for, within what a provider may ask; ``None`` without, and for a date: our
    own schedule is as good as its clock."""
    text = headers.get("Retry-After", "")
    return min(int(text), RETRY_AFTER_MAX_S) if text.isascii() and text.isdecimal() else None


class CallEnded(Exception):
    """A call ended without what was asked for; ``result`` is its outcome."""

    def __init__(self, result: CallResult) -> None:
        super().__init__(result.reason)
        self.result = result


async def conclude(
    provider: Provider,
    request: ProviderRequest,
    call: Callable[[ProviderRequest], Awaitable[CallResult]],
    timeout_s: float,
) -> CallResult:
    """How ``call`` ends: its result, or what it raised as an outcome. One deadline for all that a request takes, an
    inquiry with its lists too, in seconds. What never left, since the provider would not take it or its API has no
    words for it, is not logged."""
    if (objection := provider.capabilities.objection(request)) is not None:
        return CallResult(Outcome.DECLINED, reason=objection)
    said = exchanges.listen()
    try:
        async with asyncio.timeout(timeout_s):
            result = await call(request)
    except Unsupported as problem:
        return CallResult(Outcome.DECLINED, reason=problem.reason)
    except CallEnded as ended:
        result = ended.result
    except (msgspec.MsgspecError, InvalidMoney):
        result = CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
    except NETWORK_ERRORS as error:
        result = failed(error)
    note(provider.name, request, result, said)
    return result


async def statement_errors(lines: AsyncIterator[StatementLine]) -> AsyncIterator[StatementLine]:
    """The lines of a statement; what reading them raised, as :class:`StatementUnavailable`."""
    try:
        async for line in lines:
            yield line
    except CallEnded as ended:
        raise StatementUnavailable(ended.result.reason or ended.result.outcome) from ended
    except (msgspec.MsgspecError, InvalidMoney) as error:
        raise StatementUnavailable(Reason.UNREADABLE_ANSWER) from error
    except NETWORK_ERRORS as error:
        raise StatementUnavailable(failed(error).reason or "network") from error
