"""YooKassa's API over HTTP: calls, idempotency keys, lists."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import msgspec

from providers.base import CallResult
from providers.http import ApiClient, CallLimits
from providers.yookassa import responses
from providers.yookassa.responses import Page, Payment, Refund

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Api(ApiClient):
    """One shop at YooKassa."""

    def __init__(self, url: str, shop_id: str, secret_key: str, limits: CallLimits) -> None:
        authorization = aiohttp.encode_basic_auth(shop_id, secret_key)
        super().__init__(url, limits, {"Authorization": authorization, "Content-Type": "application/json"})

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CallResult | None:
        return responses.refused(status, headers, body)

    async def post(self, path: str, key: str, body: dict[str, Any], type: type[T]) -> T:
        """A write, done once however often it is repeated with this key."""
        return await self._call("POST", path, type, data=_encode(body), headers={"Idempotence-Key": key})

    async def payment(self, payment_id: str) -> Payment:
        """GET /payments/{id}."""
        return await self._call("GET", f"/payments/{payment_id}", Payment)

    async def refunds(self, payment_id: str) -> list[Refund]:
        """Every refund of a payment."""
        return [refund async for refund in self._list("/refunds", {"payment_id": payment_id}, Page, Refund)]

    async def find_payment(self, operation_id: str, since: datetime) -> Payment | None:
        """The payment that our operation opened at ``since`` or later; ``None``: there is none."""
        async for payment in self._list("/payments", {"created_at.gte": rfc3339(since)}, Page, Payment):
            if responses.opened_by(payment, operation_id):
                return payment
        return None

    async def refund(self, refund_id: str) -> Refund:
        """GET /refunds/{id}."""
        return await self._call("GET", f"/refunds/{refund_id}", Refund)

    async def page(
        self, path: str, filters: Mapping[str, str], item: type[T], after: str | None
    ) -> tuple[list[T], str | None]:
        """One page of a list, from the cursor ``after`` on, and the cursor of the next one."""
        return await self._page(f"/{path}", filters, Page, item, after)


def rfc3339(moment: datetime) -> str:
    """A moment as the filters take it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def between(field: str, start: datetime, end: datetime) -> dict[str, str]:
    """The filters for what a field dates from ``start`` on and before ``end``."""
    return {f"{field}.gte": rfc3339(start), f"{field}.lt": rfc3339(end)}
