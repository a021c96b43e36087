"""Yandex Pay's merchant API over HTTP: calls and their request ids."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from providers.base import CallResult
from providers.http import ApiClient, CallLimits
from providers.yandex_pay import responses
from providers.yandex_pay.responses import Data, Success

#: The documents advise against a shorter X-Request-Timeout, milliseconds.
MIN_REQUEST_TIMEOUT_MS: Final = 1000

_encode = msgspec.json.Encoder().encode


class Api(ApiClient):
    """One merchant at Yandex Pay. ``X-Request-Id``, which makes a repeated write harmless, is our operation's id."""

    def __init__(self, url: str, api_key: str, limits: CallLimits) -> None:
        headers = {
            "Authorization": f"Api-Key {api_key}",
            "Content-Type": "application/json",
            "X-Request-Timeout": str(max(MIN_REQUEST_TIMEOUT_MS, round(limits.timeout_s * 1000))),
            "X-Request-Attempt": "0",
        }
        super().__init__(f"{url.rstrip('/')}/api/merchant", limits, headers)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
        return responses.refused(status, headers, body)

    async def post(self, path: str, request_id: UUID, body: Mapping[str, Any]) -> Data:
        """A write."""
        headers = {"X-Request-Id": str(request_id)}
        return (await self._call("POST", path, Success, data=_encode(body), headers=headers)).data

    async def order(self, order_id: str, request_id: UUID) -> Data:
        """GET /v1/orders/{id}."""
        headers = {"X-Request-Id": str(request_id)}
        return (await self._call("GET", f"/v1/orders/{order_id}", Success, headers=headers)).data
