"""Stripe's API over HTTP: calls, their keys, lists, and what counts as an answer."""

from collections.abc import AsyncIterator, Mapping
from itertools import repeat
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from billing.reasons import Reason
from billing.vocabulary import Outcome
from providers.base import CallResult
from providers.http import CallEnded, open_session
from providers.stripe import responses
from providers.stripe.objects import BalanceTransaction, Page, PaymentIntent, Refund, Session
from providers.stripe.requests import OPERATION, encode

#: The version that our structs are written for; without it the account's default answers.
VERSION: Final = "2024-06-20"
#: The most that a page of a list holds.
PAGE: Final = 100
#: Pages read in search of one payment. Beyond, nothing is said: not found would have to be true of all.
PAGES_MAX: Final = 100

T = TypeVar("T")


class Api:
    """One account at Stripe. Methods raise :class:`CallEnded`, :class:`msgspec.MsgspecError` for what cannot be read, and
    :data:`providers.http.NETWORK_ERRORS`."""

    def __init__(self, url: str, secret_key: str, timeout_s: float, connections: int) -> None:
        self._base = url.rstrip("/")
        self._timeout_s = timeout_s
        self._connections = connections
        self._headers = {"Authorization": f"Bearer {secret_key}", "Stripe-Version": VERSION}
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open connections."""
        self._session = open_session(self._timeout_s, self._connections)

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def post(self, path: str, key: str, body: Mapping[str, Any], type: type[T]) -> T:
        """Ask for something once, however often it is asked with this key."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": key}
        return await self._call("POST", path, type, data=encode(body).encode(), headers=headers)

    async def session(self, id: str) -> Session:
        """A Checkout Session with its PaymentIntent."""
        return await self._call("GET", f"/v1/checkout/sessions/{id}", Session, query={"expand[]": "payment_intent"})

    async def intent(self, id: str) -> PaymentIntent:
        """A PaymentIntent."""
        return await self._call("GET", f"/v1/payment_intents/{id}", PaymentIntent)

    async def refunds(self, payment_intent: str) -> list[Refund]:
        """Every refund of a payment."""
        return [refund async for refund in self._list("/v1/refunds", {"payment_intent": payment_intent}, Refund)]

    async def find_session(self, operation_id: str, since: int) -> Session | None:
        """The session that an operation of ours opened at ``since`` (Unix seconds) or later."""
        async for session in self._list("/v1/checkout/sessions", {"created[gte]": str(since)}, Session):
            if session.client_reference_id == operation_id:
                return session
        return None

    async def find_intent(self, operation_id: str, since: int) -> PaymentIntent | None:
        """The PaymentIntent that an operation of ours made at ``since`` (Unix seconds) or later."""
        async for intent in self._list("/v1/payment_intents", {"created[gte]": str(since)}, PaymentIntent):
            if intent.metadata.get(OPERATION) == operation_id:
                return intent
        return None

    def transactions(self, start: int, end: int) -> AsyncIterator[BalanceTransaction]:
        """Every movement on the balance from ``start`` on and before ``end`` (Unix seconds), with its source."""
        query = {"created[gte]": str(start), "created[lt]": str(end), "expand[]": "data.source"}
        return self._list("/v1/balance_transactions", query, BalanceTransaction, whole=True)

    async def _list(
        self, path: str, query: Mapping[str, str], item: type[T], *, whole: bool = False
    ) -> AsyncIterator[T]:
        after: dict[str, str] = {}
        for _ in repeat(None) if whole else repeat(None, PAGES_MAX):
            page = await self._call("GET", path, Page, query={**query, **after, "limit": str(PAGE)})
            for raw in page.data:
                yield msgspec.json.decode(raw, type=item)
            if not page.has_more:
                return
            after = {"starting_after": msgspec.json.decode(page.data[-1], type=_Named).id}
        raise CallEnded(CallResult(Outcome.UNKNOWN, reason=Reason.SEARCH_TOO_LONG))

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
        assert self._session is not None, "start() comes first"
        # A redirected POST would arrive as a GET: it counts as no answer instead.
        async with self._session.request(
            method,
            self._base + path,
            params=query,
            data=data,
            headers={**self._headers, **(headers or {})},
            allow_redirects=False,
        ) as response:
            content = await response.read()
        if (refused := responses.refused(response.status, response.headers, content)) is not None:
            raise CallEnded(refused)
        return msgspec.json.decode(content, type=type)


class _Named(msgspec.Struct):
    id: str
