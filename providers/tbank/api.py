"""T-Bank's API over HTTP: signed JSON calls, and what counts as an answer."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from billing.reasons import http_reason
from billing.vocabulary import Outcome
from providers.base import CallResult
from providers.http import OK, CallEnded, by_status, open_session
from providers.tbank.responses import Answer, Order
from providers.tbank.tokens import FIELD, token

#: CheckOrder's way to say that there is no such order.
NO_ORDER: Final = frozenset({"255", "335"})

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Api:
    """One terminal at T-Bank. Methods raise :class:`CallEnded`, :class:`msgspec.MsgspecError` for what cannot be read, and
    :data:`providers.http.NETWORK_ERRORS`."""

    def __init__(self, url: str, terminal_key: str, password: str, timeout_s: float, connections: int) -> None:
        self._base = f"{url.rstrip('/')}/v2"
        self._terminal_key = terminal_key
        self._password = password
        self._timeout_s = timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open connections."""
        self._session = open_session(self._timeout_s, self._connections)

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections; :meth:`start` comes first."""
        assert self._session is not None, "start() comes first"
        return self._session

    async def call(self, method: str, body: Mapping[str, Any]) -> Answer:
        """Init, Confirm, Cancel, Charge or GetState, successful or not."""
        return await self._call(method, body, Answer)

    async def check_order(self, order_id: str) -> Order:
        """CheckOrder: the payments of an order, none for one that is not known."""
        order = await self._call("CheckOrder", {"OrderId": order_id}, Order)
        return Order(success=True, error_code="0") if order.error_code in NO_ORDER else order

    async def _call(self, method: str, body: Mapping[str, Any], type: type[T]) -> T:
        signed = {"TerminalKey": self._terminal_key, **body}
        signed[FIELD] = token(signed, self._password)
        # A redirected POST would arrive as a GET: it counts as no answer instead.
        async with self.session.post(
            f"{self._base}/{method}",
            data=_encode(signed),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        ) as response:
            content = await response.read()
        if (told := by_status(response.status, response.headers)) is not None:
            raise CallEnded(told)
        if response.status not in OK:
            raise CallEnded(CallResult(Outcome.UNKNOWN, reason=http_reason(response.status)))
        return msgspec.json.decode(content, type=type)
