"""YooKassa's API over HTTP: calls, their keys, and what counts as an answer."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from billing.reasons import Reason
from billing.vocabulary import Outcome
from providers.base import CallResult
from providers.http import CallEnded, open_session
from providers.yookassa import responses
from providers.yookassa.responses import Page, Payment, Refund

#: The most that a page of a list holds.
PAGE: Final = 100
#: Pages read in search of one payment. Beyond, nothing is said: not found would have to be true of all.
PAGES_MAX: Final = 100

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Api:
    """One shop at YooKassa. Methods raise :class:`CallEnded`, and :data:`providers.http.NETWORK_ERRORS`."""

    def __init__(self, url: str, shop_id: str, secret_key: str, timeout_s: float, connections: int) -> None:
        self._base = url.rstrip("/")
        self._timeout_s = timeout_s
        self._connections = connections
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(shop_id, secret_key),
            "Content-Type": "application/json",
        }
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open connections."""
        self._session = open_session(self._timeout_s, self._connections)

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def post(self, path: str, key: str, body: dict[str, Any], type: type[T]) -> T:
        """Ask for something once, however often it is asked with this key."""
        return await self._call("POST", path, type, data=_encode(body), headers={"Idempotence-Key": key})

    async def payment(self, payment_id: str) -> Payment:
        """GET /payments/{id}."""
        return await self._call("GET", f"/payments/{payment_id}", Payment)

    async def refunds(self, payment_id: str) -> list[Refund]:
        """Every refund of a payment."""
        return [refund async for refund in self._list("/refunds", {"payment_id": payment_id}, Refund)]

    async def find_payment(self, operation_id: str, since: datetime) -> Payment | None:
        """The payment that an operation of ours opened at ``since`` or later; ``None``: there is none."""
        async for payment in self._list("/payments", {"created_at.gte": rfc3339(since)}, Payment):
            if responses.opened_by(payment, operation_id):
                return payment
        return None

    def captured(self, start: datetime, end: datetime) -> AsyncIterator[Payment]:
        """Every payment captured from ``start`` on and before ``end``."""
        return self._list("/payments", _between("captured_at", start, end), Payment, whole=True)

    def refunded(self, start: datetime, end: datetime) -> AsyncIterator[Refund]:
        """Every refund asked for from ``start`` on and before ``end``."""
        return self._list("/refunds", _between("created_at", start, end), Refund, whole=True)

    async def _list(
        self, path: str, query: Mapping[str, str], item: type[T], *, whole: bool = False
    ) -> AsyncIterator[T]:
        cursor: str | None = None
        for _ in repeat(None) if whole else repeat(None, PAGES_MAX):
            page = await self._call("GET", path, Page, params=_page(query, cursor))
            for raw in page.items:
                yield msgspec.json.decode(raw, type=item)
            cursor = page.next_cursor
            if cursor is None:
                return
        raise CallEnded(CallResult(Outcome.UNKNOWN, reason=Reason.SEARCH_TOO_LONG))

    async def _call(
        self,
        method: str,
        path: str,
        type: type[T],
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        assert self._session is not None, "start() comes first"
        # A redirected POST would arrive as a GET: it counts as no answer instead.
        async with self._session.request(
            method,
            self._base + path,
            params=params,
            data=data,
            headers={**self._headers, **(headers or {})},
            allow_redirects=False,
        ) as response:
            content = await response.read()
        if (refused := responses.refused(response.status, response.headers, content)) is not None:
            raise CallEnded(refused)
        return msgspec.json.decode(content, type=type)


def rfc3339(moment: datetime) -> str:
    """A moment as the filters take it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _between(field: str, start: datetime, end: datetime) -> dict[str, str]:
    return {f"{field}.gte": rfc3339(start), f"{field}.lt": rfc3339(end)}


def _page(query: Mapping[str, str], cursor: str | None) -> dict[str, str]:
    return {**query, "limit": str(PAGE)} | ({} if cursor is None else {"cursor": cursor})
