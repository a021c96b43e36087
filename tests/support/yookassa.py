"""The sandbox' YooKassa, the adapter that talks to it, and a shop that hears its notifications."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from billing.messages import ProviderRequest
from billing.orders import Order
from billing.vocabulary import Action, CaptureMode
from providers.base import CallResult
from providers.yookassa.plugin import SANDBOX_SHOP
from tests.support.sandbox import API_KEY, ProviderWorld, a_request, running

BASIC = aiohttp.encode_basic_auth(SANDBOX_SHOP, API_KEY)
API = "/yookassa/v3"


class YooKassaWorld(ProviderWorld):
    """A shop at YooKassa."""

    provider = "yookassa"

    async def hold(self, *prices: int) -> ProviderRequest:
        """A payment that is held, and we were told."""
        return await self.confirmed(*prices, capture_mode=CaptureMode.TWO_STAGE)

    async def confirmed(self, *prices: int, **fields: Any) -> ProviderRequest:
        """A payment that its customer confirmed, and we were told."""
        request = await self.open(*prices, **fields)
        await self.customer(request, "pay")
        await self.until(lambda: bool(self.said(request)))
        return request

    async def inquire(self, request: ProviderRequest) -> CallResult:
        """What YooKassa says of a payment."""
        return await self.adapter.perform(a_request(Action.INQUIRE, provider="yookassa", order_ref=request.order_ref))

    async def api(self, method: str, path: str, key: str | None = None, **fields: Any) -> tuple[int, Any]:
        """Status and body of an answer, past the adapter."""
        headers = {"Authorization": BASIC} | ({} if key is None else {"Idempotence-Key": key})
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.url}{API}{path}", **fields) as answer,
        ):
            return answer.status, await answer.json()

    def events(self) -> list[str]:
        """The events that we were told of, in order."""
        return [json.loads(body)["event"] for body in self.tokens]


def a_charge(method: str, order: Order) -> ProviderRequest:
    """A charge of a saved method."""
    request = a_request(Action.RECUR, order, provider="yookassa", saved_method=method, opened_at=datetime.now(UTC))
    return msgspec.structs.replace(request, order=order)


@asynccontextmanager
async def a_yookassa_world(state_dir: Path, timeout_s: float = 5.0) -> AsyncIterator[YooKassaWorld]:
    async with running(YooKassaWorld(state_dir, timeout_s)) as world:
        yield world
