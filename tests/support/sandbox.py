"""The sandbox on a free port, an adapter that talks to it, and a shop that hears its callbacks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from billing.messages import ProviderRequest
from billing.orders import Cart, Order
from billing.vocabulary import Action, CaptureMode, Outcome
from deploy.local.ports import free_port
from providers import registry
from providers.base import CallbackRejected, CallbackVerifier, ParsedCallback, Provider
from providers.http import CallLimits
from providers.plugin import SandboxAddress
from providers.sandbox.server import Sandbox
from providers.settings import ProviderSettings
from runtime.settings import Settings
from tests.support.factories import an_order

API_KEY = "secret"
AUTHORIZED = {"Authorization": f"Api-Key {API_KEY}"}
PATIENCE_S = 20.0

AnyWorld = TypeVar("AnyWorld", bound="ProviderWorld")


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


def a_cart(*prices: int) -> Cart:
    """One of each product, as :func:`tests.support.factories.an_order` names them."""
    return an_order(*prices).cart


class ProviderWorld:
    """A sandbox, an adapter, and the callbacks that were verified, in the order they came."""

    provider = "yandex-pay"

    def __init__(self, state_dir: Path, timeout_s: float = 5.0) -> None:
        self.sandbox_port, self.shop_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.sandbox_port}"
        self.callbacks: list[ParsedCallback] = []
        self.tokens: list[bytes] = []
        self.accepts = True
        self.settings = Settings(
            state_dir=state_dir,
            sandbox_port=self.sandbox_port,
            sandbox_callback_url=f"http://127.0.0.1:{self.shop_port}",
            sandbox_retry_max_s=0.1,
        )
        self.limits = CallLimits(timeout_s, 64)
        address = SandboxAddress(self.url, lambda _name: API_KEY, ("127.0.0.1",))
        self.provider_settings = self.settings_of_providers(address)
        self.plugin = registry.PLUGINS[self.provider]
        self.adapter = self.make_adapter()
        self.verifier: CallbackVerifier = self.plugin.verifier(self.provider_settings[self.provider])

    def settings_of_providers(self, address: SandboxAddress) -> dict[str, ProviderSettings]:
        """Of every provider, as the sandbox and the adapter have them."""
        return registry.sandbox_settings(address)

    def make_adapter(self, **changes: Any) -> Provider:
        """An adapter of the provider that this world is about. ``changes``: to its settings."""
        # The sandbox limits nobody's lists.
        settings = self.provider_settings[self.provider].model_copy(
            update={"settlement": {"calls_per_s": 1000.0}, **changes}
        )
        adapter: Provider = self.plugin.provider(settings, self.limits)
        return adapter

    async def open(self, *prices: int, **fields: Any) -> ProviderRequest:
        """An order that can be paid; the request that opened it, under the name that the order has from now on."""
        modes = self.adapter.capabilities.capture_modes
        if len(modes) == 1:
            fields = {"capture_mode": next(iter(modes)), **fields}
        request = a_request(order=an_order(*(prices or (59_900,))), provider=self.adapter.name, **fields)
        result = await self.adapter.perform(request)
        assert result.outcome is Outcome.PENDING, result
        assert result.provider_ref is not None
        return msgspec.structs.replace(request, order_ref=result.provider_ref)

    async def paid(self, *prices: int, two_stage: bool = False) -> ProviderRequest:
        """An order that is paid, and we were told."""
        await self.tell("merchant", two_stage=two_stage)
        request = await self.open(*prices)
        await self.customer(request, "pay")
        await self.until(lambda: bool(self.statuses(request)))
        return request

    async def customer(self, request: ProviderRequest, outcome: str, **body: Any) -> Any:
        """A customer acts on the payment page; what became of it."""
        headers = {"Accept": "application/json"}
        return await self.ask("POST", f"/pay/{request.order_ref}", json={"outcome": outcome, **body}, headers=headers)

    async def ask(self, method: str, path: str, **request: Any) -> Any:
        """The sandbox' answer."""
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.request(method, f"{self.url}{path}", **request) as answer,
        ):
            return await answer.json()

    @asynccontextmanager
    async def sandbox(self) -> AsyncIterator[None]:
        """The provider runs meanwhile."""
        sandbox = Sandbox(self.settings, self.provider_settings)
        self.imitation = sandbox.imitations[self.provider]
        self.ledger = sandbox.ledger
        server = TestServer(sandbox.app(), port=self.sandbox_port)
        await server.start_server()
        yield
        await server.close()

    @asynccontextmanager
    async def shop(self) -> AsyncIterator[None]:
        """We listen meanwhile."""
        app = web.Application()
        app.router.add_post(f"/{self.provider}{self.plugin.callback.path}", self._hear)
        server = TestServer(app, port=self.shop_port)
        await server.start_server()
        await self.verifier.start()
        yield
        await self.verifier.close()
        await server.close()

    async def _hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.tokens.append(body)
        if not self.accepts:
            return web.Response(status=503)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            verified = await self.verifier.verify(headers, body, request.remote)
        except CallbackRejected as rejected:
            return web.Response(status=rejected.status, body=rejected.body)
        self.callbacks.append(self.adapter.parse_callback(body))
        return web.Response(body=verified.response, content_type=verified.response_type)

    async def tell(self, path: str, **body: Any) -> None:
        """Set the sandbox up, and the adapter as its merchant is: Yandex Pay has one capture mode for all payments."""
        await self.ask("POST", f"/_sandbox/{path}", json=body)
        if path == "merchant" and self.provider == "yandex-pay":
            mode = CaptureMode.TWO_STAGE if body["two_stage"] else CaptureMode.ONE_STAGE
            self.adapter.capabilities = msgspec.structs.replace(
                self.adapter.capabilities, capture_modes=frozenset({mode})
            )

    async def book(self, order_ref: str) -> dict[str, Any]:
        """The provider's own record of an order."""
        (order,) = (await self.ask("GET", "/_sandbox/book", params={"order_id": order_ref}))["orders"]
        found: dict[str, Any] = order
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)

    def statuses(self, request: ProviderRequest | None = None) -> list[str]:
        """The order statuses that were called back, of one order or all."""
        return [said.observed.status.value for said in self.said(request) if said.observed.status]

    def said(self, request: ProviderRequest | None = None) -> list[ParsedCallback]:
        """The callbacks of one order, or all."""
        return [said for said in self.callbacks if request is None or request.order_ref in said.references]


@asynccontextmanager
async def a_world(state_dir: Path, timeout_s: float = 5.0) -> AsyncIterator[ProviderWorld]:
    async with running(ProviderWorld(state_dir, timeout_s)) as world:
        yield world


@asynccontextmanager
async def running(world: AnyWorld) -> AsyncIterator[AnyWorld]:
    """A world with everything started."""
    await world.adapter.start()
    try:
        async with world.sandbox(), world.shop():
            yield world
    finally:
        await world.adapter.close()
