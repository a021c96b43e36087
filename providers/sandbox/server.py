"""The sandbox' process."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import web

from billing.settings import Settings
from providers.sandbox import pages
from providers.sandbox.book import Book, Order
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.customers import AutomaticCustomers, Behaviour, Crowd
from providers.sandbox.faults import KNOWN, Fault, Faults
from providers.sandbox.yandex_pay import YandexPaySandbox

LIMIT: Final = 100
LIMIT_MAX: Final = 100_000
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024


class Sandbox:
    """Everything behind the sandbox' own routes (``/_sandbox``, ``/pay``, ``/``)."""

    def __init__(self, settings: Settings) -> None:
        public_url = settings.sandbox_url or f"http://{settings.sandbox_host}:{settings.sandbox_port}"
        self.faults = Faults()
        self._book = Book(settings.state_dir / "sandbox" / "book.sqlite")
        self._callbacks = Callbacks(
            self._book,
            settings.sandbox_callback_url or f"http://127.0.0.1:{settings.ingest_port}/webhooks/yandex-pay",
            settings.yandex_pay_merchant_id,
            settings.sandbox_retry_max_s,
        )
        self._yandex_pay = YandexPaySandbox(
            self._book, self._callbacks, self.faults, settings.yandex_pay_api_key.get_secret_value(), public_url
        )
        self._customers = AutomaticCustomers(self._act)
        self._yandex_pay.on_created = self._customers.on_created

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.add_routes(self._yandex_pay.routes())
        app.add_routes(
            [
                web.get("/", self._orders_page),
                web.get("/pay/{order_id}", self._payment_page),
                web.post("/pay/{order_id}", self._pay),
                web.get("/_sandbox/health", self._health),
                web.get("/_sandbox/book", self._read_book),
                web.get("/_sandbox/book/summary", self._summary),
                web.get("/_sandbox/faults", self._list_faults),
                web.post("/_sandbox/faults", self._add_fault),
                web.delete("/_sandbox/faults", self._clear_faults),
                web.get("/_sandbox/customers", self._show_crowd),
                web.post("/_sandbox/customers", self._set_crowd),
                web.post("/_sandbox/merchant", self._set_merchant),
            ]
        )
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _app: web.Application) -> AsyncIterator[None]:
        await self._callbacks.start()
        self._yandex_pay.resume()
        yield
        await self._callbacks.stop()
        self._book.close()

    async def _health(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _orders_page(self, _request: web.Request) -> web.Response:
        return web.Response(text=pages.orders(self._book.select(None, 0.0, LIMIT)), content_type="text/html")

    async def _payment_page(self, request: web.Request) -> web.Response:
        return web.Response(text=pages.payment(self._order(request)), content_type="text/html")

    async def _pay(self, request: web.Request) -> web.Response:
        order = self._order(request)
        is_json = request.content_type == "application/json"
        body: Any = msgspec.json.decode(await request.read()) if is_json else await request.post()
        outcome = body.get("outcome")
        if outcome not in ("pay", "decline", "walk_away"):
            raise web.HTTPBadRequest(text="outcome is pay, decline or walk_away")
        done = self._do(order, outcome, body.get("reason") or "INSUFFICIENT_FUNDS")
        if "application/json" in request.headers.get("Accept", ""):
            return _json({"status": order.status, "done": done})
        target = order.redirect.get("onSuccess" if order.status in ("CAPTURED", "AUTHORIZED") else "onError")
        raise web.HTTPSeeOther(target or f"/pay/{order.order_id}")

    def _do(self, order: Order, outcome: str, reason: str) -> bool:
        match outcome:
            case "pay":
                return self._yandex_pay.pay(order)
            case "decline":
                return self._yandex_pay.decline(order, reason)
            case _:
                return self._yandex_pay.walk_away(order)

    def _act(self, order_id: str, behaviour: Behaviour) -> None:
        order = self._book.find(order_id)
        assert order is not None
        self._do(order, behaviour, "INSUFFICIENT_FUNDS")

    def _order(self, request: web.Request) -> Order:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            raise web.HTTPNotFound(text="no such order")
        return order

    async def _read_book(self, request: web.Request) -> web.Response:
        """``?order_id=`` (repeated) or ``?since=`` (Unix seconds) and ``?limit=``."""
        ids = request.query.getall("order_id", None)
        since, limit = float(request.query.get("since", 0)), int(request.query.get("limit", LIMIT))
        found = self._book.select(ids, since, min(limit, LIMIT_MAX))
        return _json({"orders": found})

    async def _summary(self, _request: web.Request) -> web.Response:
        return _json(self._book.summary())

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return _json({"faults": self.faults.active})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        if fault.fault not in KNOWN or (fault.rate is None) == (fault.count is None):
            raise web.HTTPBadRequest(text=f"fault is one of {', '.join(KNOWN)}, with either a rate or a count")
        self.faults.active.append(fault)
        return _json({"faults": self.faults.active})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self.faults.active.clear()
        return _json({"faults": []})

    async def _show_crowd(self, _request: web.Request) -> web.Response:
        return _json(self._customers.crowd)

    async def _set_crowd(self, request: web.Request) -> web.Response:
        try:
            self._customers.behave(msgspec.json.decode(await request.read(), type=Crowd))
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return _json(self._customers.crowd)

    async def _set_merchant(self, request: web.Request) -> web.Response:
        """Two stages are a setting of the merchant at Yandex, not of a request."""
        body = msgspec.json.decode(await request.read())
        self._yandex_pay.two_stage = bool(body["two_stage"])
        return _json({"two_stage": self._yandex_pay.two_stage})


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    gc.freeze()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    web.run_app(
        Sandbox(settings).app(),
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        access_log=None,
        print=None,
        loop=loop,
    )
