"""T-Bank's API over HTTP: signed JSON calls."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from billing.reasons import http_reason
from billing.vocabulary import Outcome
from providers.base import CallResult
from providers.http import OK, ApiClient, CallLimits, by_status
from providers.tbank.responses import Answer, Order
from providers.tbank.tokens import FIELD, token

#: CheckOrder's error codes for an unknown order.
NO_ORDER: Final = frozenset({"255", "335"})

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Api(ApiClient):
    """One terminal at T-Bank."""

    def __init__(self, url: str, terminal_key: str, password: str, limits: CallLimits) -> None:
        super().__init__(f"{url.rstrip('/')}/v2", limits, {"Content-Type": "application/json"})
        self._terminal_key = terminal_key
        self._password = password

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:  # noqa: ARG002
        if (refused := by_status(status, headers)) is not None:
            return refused
        return None if status in OK else CallResult(Outcome.UNKNOWN, reason=http_reason(status))

    async def call(self, method: str, body: Mapping[str, Any]) -> Answer:
        """Init, Confirm, Cancel, Charge or GetState, successful or not."""
        return await self._signed(method, body, Answer)

    async def check_order(self, order_id: str) -> Order:
        """CheckOrder: the payments of an order, none for one that is not known."""
        order = await self._signed("CheckOrder", {"OrderId": order_id}, Order)
        return Order(success=True, error_code="0") if order.error_code in NO_ORDER else order

    async def _signed(self, method: str, body: Mapping[str, Any], type: type[T]) -> T:
        signed = {"TerminalKey": self._terminal_key, **body}
        signed[FIELD] = token(signed, self._password)
        return await self._call("POST", f"/{method}", type, data=_encode(signed))
