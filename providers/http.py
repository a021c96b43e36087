"""Providers behind HTTP APIs: the client, the outcome that a status implies, and the outcome of every error."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final, NamedTuple, Protocol, TypeVar

import aiohttp
import msgspec
import structlog

from billing.errors import InvalidMessage, InvalidMoney
from billing.messages import ProviderRequest
from billing.reasons import Reason, http_reason
from billing.vocabulary import Outcome
from providers import exchanges
from providers.base import CallResult, Provider, Unsupported, deadline_s
from providers.exchanges import Exchange
from providers.reading import AnswerTooLong, check_texts, read_answer, read_json
from runtime.retry import Retry

#: Exceptions of a call that the network caused.
NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)

OK: Final = range(200, 300)
REFUSED: Final = range(400, 500)
#: The provider, or a proxy before it, stopped waiting: the provider may have acted.
REQUEST_TIMEOUT: Final = 408
TOO_MANY_REQUESTS: Final = 429
#: Our key is wrong or lacks the permission. An operator has to correct it; then the call can be repeated.
UNAUTHORIZED: Final = (401, 403)

#: Upper bound of the pause that a provider may ask for, seconds.
RETRY_AFTER_MAX_S: Final = 3600
#: Connecting must leave time for the call, seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: A provider's clock and ours may differ by this much: a search for a payment starts so much earlier.
CLOCKS_DIFFER: Final = timedelta(minutes=1)
#: Outcomes that an operator may have to look into.
TROUBLE: Final = frozenset({Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.DECLINED})

#: The most items that a page of a list holds, at every provider with lists.
PAGE: Final = 100
#: Pages read in search of one payment.
PAGES_MAX: Final = 100
#: The share of a call's deadline for which one page of a search is tried.
PAGE_SHARE: Final = 1 / 3

T = TypeVar("T")
log = structlog.get_logger(__name__)


class CallLimits(NamedTuple):
    """Bounds of a provider's calls. ``timeout_s``: deadline of one call, and of one operation's calls, seconds;
    ``connections``: open at once, per process."""

    timeout_s: float
    connections: int


class Page(Protocol):
    """A page of a list. ``items``: the undecoded objects. ``CURSOR``: the query parameter that takes a cursor."""

    CURSOR: ClassVar[str]
    items: list[msgspec.Raw]

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; ``None`` after the last one."""


def open_session(limits: CallLimits) -> aiohttp.ClientSession:
    """Connections to one provider."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limits.connections),
        timeout=aiohttp.ClientTimeout(total=limits.timeout_s, connect=min(CONNECT_TIMEOUT_S, limits.timeout_s)),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[exchanges.tracing()],
    )


def log_call(provider: str, request: ProviderRequest, result: CallResult, recorded: Sequence[Exchange]) -> None:
    """Log the outcome of a call with its exchanges, masked: as a warning where an operator may have to act, else at
    debug level."""
    level = logging.WARNING if result.outcome in TROUBLE else logging.DEBUG
    if not logging.getLogger(__name__).isEnabledFor(level):
        return
    log.log(
        level,
        "provider call ended",
        provider=provider,
        action=request.action,
        operation=str(request.operation_id),
        order=request.order_ref,
        outcome=result.outcome,
        reason=result.reason,
        provider_reason=result.provider_reason and msgspec.structs.asdict(result.provider_reason),
        exchanges=exchanges.masked(recorded),
    )


def network_failure(error: Exception) -> CallResult:
    """The outcome of a call that got no answer.

    NOT_SENT only without a connection: refused, unknown host, TLS failed, no free connection in time. Everything
    later is UNKNOWN, including a connection that the other side closed.
    """
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return CallResult(Outcome.NOT_SENT, reason=Reason.UNREACHABLE)
    if isinstance(error, TimeoutError):
        return CallResult(Outcome.UNKNOWN, reason=Reason.TIMEOUT)
    return CallResult(Outcome.UNKNOWN, reason=Reason.CONNECTION_BROKEN)


def by_status(status: int, headers: Mapping[str, str]) -> CallResult | None:
    """The outcome that the status alone determines; ``None`` where the body decides (2xx, and 4xx of the provider's own).

    5xx, 408 and redirects are UNKNOWN: a proxy may send them after the provider acted. 429 and 401/403 are NOT_SENT:
    the provider rejected the call before acting on it.
    """
    if status == TOO_MANY_REQUESTS:
        return CallResult(Outcome.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after_s=retry_after_s(headers))
    if status in UNAUTHORIZED:
        return CallResult(Outcome.NOT_SENT, reason=Reason.CREDENTIALS)
    if status == REQUEST_TIMEOUT or (status not in OK and status not in REFUSED):
        return CallResult(Outcome.UNKNOWN, reason=http_reason(status), retry_after_s=retry_after_s(headers))
    return None


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """The seconds in ``Retry-After``, at most :data:`RETRY_AFTER_MAX_S`; ``None`` without the header, and for a date:
    our own schedule serves as well."""
    text = headers.get("Retry-After", "")
    return min(int(text), RETRY_AFTER_MAX_S) if text.isascii() and text.isdecimal() else None


class CallEnded(Exception):
    """A call ended without the requested object; ``result`` is its outcome."""

    def __init__(self, result: CallResult) -> None:
        super().__init__(result.reason)
        self.result = result

    @property
    def is_final(self) -> bool:
        """Refusals and wrong credentials stay as they are, however often the call is repeated."""
        return self.result.outcome is Outcome.DECLINED or self.result.reason == Reason.CREDENTIALS


def asked_pause_s(error: Exception) -> float | None:
    """The pause that a failed call asks for, seconds; ``None``: it asks for none."""
    return error.result.retry_after_s if isinstance(error, CallEnded) else None


class _Refused(Exception):
    """A call that would be refused however often it is repeated."""

    def __init__(self, ended: CallEnded) -> None:
        super().__init__(str(ended))
        self.ended = ended


class ApiClient(ABC):
    """One account's calls to a provider's HTTP API. Methods raise :class:`CallEnded`, :class:`msgspec.MsgspecError`
    for an answer that cannot be read, and :data:`NETWORK_ERRORS`. ``headers`` go with every call."""

    def __init__(self, url: str, limits: CallLimits, headers: Mapping[str, str]) -> None:
        self._base = url.rstrip("/")
        self._limits = limits
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open connections. Called once, inside the event loop."""
        self._session = open_session(self._limits)

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, after :meth:`start`."""
        assert self._session is not None, "start() comes first"
        return self._session

    @abstractmethod
    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
        """The outcome of an answer that is no success; ``None`` for a success."""

    async def _call(
        self,
        method: str,
        path: str,
        type: type[T],
        *,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        # A redirected POST would be repeated as a GET: a redirect is an unknown outcome instead.
        async with self.session.request(
            method,
            self._base + path,
            params=query,
            data=data,
            headers={**self._headers, **(headers or {})},
            allow_redirects=False,
        ) as response:
            content = await read_answer(response)
            exchanges.received(content)
        if (refused := self._refusal(response.status, response.headers, content)) is not None:
            raise CallEnded(refused)
        return read_json(content, type)

    async def _list(self, path: str, query: Mapping[str, str], page: type[Page], item: type[T]) -> AsyncIterator[T]:
        """Every item of a list with cursors, in search of one payment. Ends as UNKNOWN after :data:`PAGES_MAX`, since
        "not found" must hold for every page. A page that fails is read again: where a search has many, some call of it
        fails whenever the provider is not well, and it would never end."""
        after: str | None = None
        for _ in range(PAGES_MAX):
            found, after = await self._page_at_last(path, query, page, item, after)
            for each in found:
                yield each
            if after is None:
                return
        raise CallEnded(CallResult(Outcome.UNKNOWN, reason=Reason.SEARCH_TOO_LONG))

    async def _page_at_last(
        self, path: str, query: Mapping[str, str], page: type[Page], item: type[T], after: str | None
    ) -> tuple[list[T], str | None]:
        """A page, read again while it fails, for a part of the deadline."""
        patience_s = self._limits.timeout_s * PAGE_SHARE

        async def read() -> tuple[list[T], str | None]:
            try:
                async with asyncio.timeout(patience_s):
                    return await self._page(path, query, page, item, after)
            except CallEnded as ended:
                if ended.is_final:
                    raise _Refused(ended) from ended
                raise

        retry = Retry("provider_list", (CallEnded, *NETWORK_ERRORS), patience_s=patience_s, asked_pause_s=asked_pause_s)
        try:
            return await retry.run(read)
        except _Refused as refused:
            raise refused.ended from None

    async def _page(
        self, path: str, query: Mapping[str, str], page: type[Page], item: type[T], after: str | None
    ) -> tuple[list[T], str | None]:
        """The items of one page, from the cursor ``after`` on, and the cursor of the next one."""
        position = {} if after is None else {page.CURSOR: after}
        found = await self._call("GET", path, page, query={**query, **position, "limit": str(PAGE)})
        return [read_json(raw, item) for raw in found.items], found.next_cursor


class HttpProvider(Provider):
    """A provider behind an HTTP API. A subclass defines which calls an action takes; deadline, outcomes of exceptions and the
    log are here."""

    def __init__(self, client: ApiClient, limits: CallLimits) -> None:
        self._client = client
        self._limits = limits

    async def start(self) -> None:
        await self._client.start()

    async def close(self) -> None:
        await self._client.close()

    async def perform(self, request: ProviderRequest) -> CallResult:
        """See :meth:`Provider.perform`. One deadline for all calls that a request takes; it is longer for an inquiry, which
        may have to search. A request that is refused before it is sent is not logged."""
        if (refusal := self.capabilities.request_refusal(request)) is not None:
            return CallResult(Outcome.DECLINED, reason=refusal)
        recorded = exchanges.record()
        try:
            async with asyncio.timeout(deadline_s(request.action, self._limits.timeout_s)):
                result = await self._perform(request)
            check_texts(result)
        except Unsupported as unsupported:
            return CallResult(Outcome.DECLINED, reason=unsupported.reason)
        except CallEnded as ended:
            result = ended.result
        except (msgspec.MsgspecError, InvalidMoney, InvalidMessage, AnswerTooLong):
            result = CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
        except NETWORK_ERRORS as error:
            result = network_failure(error)
        log_call(self.name, request, result, recorded)
        return result

    @abstractmethod
    async def _perform(self, request: ProviderRequest) -> CallResult:
        """The calls that an action takes. May raise what :class:`ApiClient` raises, and :class:`Unsupported`."""
