"""The sandbox on a free port, an adapter that talks to it, and a shop that hears its callbacks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from pydantic import SecretStr

from billing.messages import ProviderRequest
from billing.order import Cart, Order
from billing.settings import Settings
from billing.vocabulary import Action, CaptureMode
from providers.base import CallbackRejected, ParsedCallback
from providers.sandbox.server import Sandbox
from providers.yandex_pay import YandexPay
from tests.factories import an_order

MERCHANT = str(UUID(int=7))
PATIENCE_S = 10.0


def a_request(action: Action = Action.CREATE, order: Order | None = None, **fields: Any) -> ProviderRequest:
    """A request; an order makes it one that opens that order."""
    order = order or an_order(59_900)
    operation_id = fields.pop("operation_id", uuid4())
    values: dict[str, Any] = {
        "payment_id": uuid4(),
        "operation_id": operation_id,
        "provider": "yandex-pay",
        "action": action,
        "order_ref": str(operation_id),
        "currency": "RUB",
        "amount": order.amount,
        "capture_mode": CaptureMode.ONE_STAGE,
        "order": order if action is Action.CREATE else None,
    }
    return ProviderRequest(**(values | fields))


def about(
    created: ProviderRequest, action: Action, amount: int | None = None, cart: Cart | None = None
) -> ProviderRequest:
    """A later request about the order that ``created`` opened."""
    return a_request(
        action, created.order, order_ref=created.order_ref, amount=amount or created.amount, cart=cart, reason="asked"
    )


class World:
    """A sandbox, an adapter, and the callbacks that were verified, in the order they came."""

    def __init__(self, state_dir: Path, timeout_s: float = 5.0) -> None:
        self.sandbox_port, self.shop_port = unused_port(), unused_port()
        self.callbacks: list[ParsedCallback] = []
        self.tokens: list[bytes] = []
        self.accepts = True
        self.settings = Settings(
            state_dir=state_dir,
            sandbox_port=self.sandbox_port,
            sandbox_callback_url=f"http://127.0.0.1:{self.shop_port}",
            yandex_pay_url=f"http://127.0.0.1:{self.sandbox_port}/yandex-pay",
            yandex_pay_merchant_id=MERCHANT,
            yandex_pay_api_key=SecretStr("secret"),
            provider_timeout_s=timeout_s,
        )
        self.adapter = YandexPay(self.settings)

    @asynccontextmanager
    async def sandbox(self) -> AsyncIterator[None]:
        """The provider runs meanwhile."""
        server = TestServer(Sandbox(self.settings).app(), port=self.sandbox_port)
        await server.start_server()
        yield
        await server.close()

    @asynccontextmanager
    async def shop(self) -> AsyncIterator[None]:
        """We listen meanwhile."""
        app = web.Application()
        app.router.add_post("/v1/webhook", self._hear)
        server = TestServer(app, port=self.shop_port)
        await server.start_server()
        yield
        await server.close()

    async def _hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.tokens.append(body)
        if not self.accepts:
            return web.Response(status=503)
        try:
            verified = await self.adapter.verify_callback({}, body)
        except CallbackRejected as rejected:
            return web.Response(status=rejected.status, body=rejected.body)
        self.callbacks.append(self.adapter.parse_callback(body))
        return web.Response(body=verified.response, content_type="application/json")

    async def tell(self, path: str, **body: Any) -> None:
        """Set the sandbox up."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://127.0.0.1:{self.sandbox_port}/_sandbox/{path}", json=body) as answer,
        ):
            answer.raise_for_status()

    async def book(self, order_ref: str) -> dict[str, Any]:
        """The provider's own record of an order."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{self.sandbox_port}/_sandbox/book", params={"order_id": order_ref}) as answer,
        ):
            (order,) = (await answer.json())["orders"]
            found: dict[str, Any] = order
            return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)

    def statuses(self) -> list[str]:
        """The order statuses that were called back."""
        return [callback.observed.status.value for callback in self.callbacks if callback.observed.status]


@asynccontextmanager
async def a_world(state_dir: Path, timeout_s: float = 5.0) -> AsyncIterator[World]:
    world = World(state_dir, timeout_s)
    await world.adapter.start()
    try:
        async with world.sandbox(), world.shop():
            yield world
    finally:
        await world.adapter.close()
