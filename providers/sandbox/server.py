"""The sandbox' process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import web

from providers import registry
from providers.sandbox import pages
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.cards import card_of
from providers.sandbox.console import CONSOLE_AFTER_S, CONSOLE_FAULTS, ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.customer_behaviour import AutomaticCustomers, CustomerAction, CustomerBehaviour
from providers.sandbox.faults import CHARGEBACKS, FILE_FAULTS, LINE_FAULTS, Fault, Faults
from providers.sandbox.imitation import Imitation
from providers.sandbox.json_http import answer, read
from providers.sandbox.ledger import Order, ProviderLedger
from providers.sandbox.money import MoneyRoutes
from providers.sandbox.statements import Statements
from providers.settings import ProviderSettings
from runtime.settings import SandboxSettings

#: Orders in an answer, and at most.
LIMIT: Final = 100
LIMIT_MAX: Final = 100_000
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
#: How long open connections may last after SIGTERM, seconds.
SHUTDOWN_S: Final = 1.0
_CUSTOMERS: Final = "customers"


class Payment(msgspec.Struct):
    """What a customer does on the payment page. ``reason``: of a decline, as the provider's code."""

    outcome: CustomerAction
    reason: str | None = None


class Sandbox:
    """The handlers of the sandbox' own routes (``/_sandbox``, ``/pay``, ``/``)."""

    def __init__(self, settings: SandboxSettings, providers: Mapping[str, ProviderSettings]) -> None:
        public_url = settings.sandbox_url or f"http://{settings.sandbox_host}:{settings.sandbox_port}"
        callback_url = settings.sandbox_callback_url or f"http://127.0.0.1:{settings.ingest_port}/webhooks"
        self._faults = Faults()
        self.ledger = ProviderLedger(settings.state_dir / "sandbox" / "book.sqlite")
        self._callbacks = Callbacks(self.ledger, callback_url, settings.sandbox_retry_max_s)
        behaviour = self.ledger.recall(_CUSTOMERS)
        self._customers = AutomaticCustomers(
            CustomerBehaviour() if behaviour is None else msgspec.json.decode(behaviour, type=CustomerBehaviour),
            self._visit,
        )
        context = SandboxContext(
            ledger=self.ledger,
            statements=Statements(self.ledger.movements, self._faults),
            faults=self._faults,
            deliver=self._callbacks.send,
            on_opened=self._customers.on_opened,
            on_changed=self._on_changed,
            payment_url=lambda order_id: f"{public_url}/pay/{order_id}",
        )
        self.imitations: dict[str, Imitation] = {
            name: registry.PLUGINS[name].imitation(given, context) for name, given in providers.items()
        }

        self._money = MoneyRoutes(self.ledger, context.statements, self._faults, self.imitations)

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        for imitation in self.imitations.values():
            app.add_routes(imitation.routes())
        app.add_routes(
            [
                web.get("/", self._orders_page),
                web.get("/pay/{order_id}", self._payment_page),
                web.post("/pay/{order_id}", self._pay),
                web.get("/pay/{order_id}/back", self._landing_page),
                web.get("/_sandbox/health", self._health),
                web.get("/_sandbox/book", self._read_book),
                web.get("/_sandbox/book/summary", self._summary),
                web.post("/_sandbox/expire/{order_id}", self._expire),
                web.post("/_sandbox/console/{order_id}", self._console),
                web.get("/_sandbox/faults", self._list_faults),
                web.post("/_sandbox/faults", self._add_fault),
                web.delete("/_sandbox/faults", self._clear_faults),
                web.get("/_sandbox/customers", self._show_behaviour),
                web.post("/_sandbox/customers", self._set_behaviour),
            ]
        )
        app.add_routes(self._money.routes())
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _app: web.Application) -> AsyncIterator[None]:
        await self._callbacks.start(self.imitations)
        for imitation in self.imitations.values():
            imitation.resume()
        yield
        await self._callbacks.stop()
        self.ledger.close()

    async def _health(self, _request: web.Request) -> web.Response:
        return answer({"status": "ok"})

    async def _orders_page(self, _request: web.Request) -> web.Response:
        return _html(pages.orders(self.ledger.select(0.0, LIMIT)))

    async def _payment_page(self, request: web.Request) -> web.Response:
        order = self._order(request)
        return _html(pages.payment(order, self.imitations[order.provider].lines(order)))

    async def _landing_page(self, request: web.Request) -> web.Response:
        return _html(pages.landing(self._order(request)))

    async def _pay(self, request: web.Request) -> web.Response:
        order = self._order(request)
        by_card = False
        if request.content_type == "application/json":
            payment = await read(request, Payment)
        else:
            form = await request.post()
            payment, by_card = _payment(form), "card" in form
            if by_card and payment.outcome == "pay":
                payment = _with_card(str(form["card"]), order)
        done = self._act(order, payment)
        if "application/json" in request.headers.get("Accept", ""):
            return answer({"status": order.status, "done": done})
        target = pages.back_to_shop(order)
        if by_card and target is not None and pages.leads_nowhere(target):
            target = f"/pay/{order.order_id}/back"  # a person at a browser would see its error page
        raise web.HTTPSeeOther(target or f"/pay/{order.order_id}")

    def _act(self, order: Order, payment: Payment) -> bool:
        imitation = self.imitations[order.provider]
        match payment.outcome:
            case "pay":
                return imitation.pay(order)
            case "decline":
                return imitation.decline(order, payment.reason)
            case "walk_away":
                return imitation.abandon_checkout(order)

    def _visit(self, order_id: str, action: CustomerAction) -> None:
        order = self.ledger.find(order_id)
        assert order is not None, order_id
        self._act(order, Payment(action))

    def _order(self, request: web.Request) -> Order:
        order = self.ledger.find(request.match_info["order_id"])
        if order is None:
            if "text/html" in request.headers.get("Accept", ""):
                raise web.HTTPNotFound(text=pages.missing(), content_type="text/html")
            raise web.HTTPNotFound(text="no such order")
        return order

    async def _read_book(self, request: web.Request) -> web.Response:
        """``?order_id=`` (repeated), or the newest: ``?since=`` (Unix seconds) and ``?limit=``."""
        ids = request.query.getall("order_id", None)
        try:
            since, limit = float(request.query.get("since", 0)), int(request.query.get("limit", LIMIT))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        orders = self.ledger.json(ids, since, max(0, min(limit, LIMIT_MAX)))
        return web.Response(body=b'{"orders":' + orders + b"}", content_type="application/json")

    async def _summary(self, _request: web.Request) -> web.Response:
        return answer(self.ledger.summary())

    async def _expire(self, request: web.Request) -> web.Response:
        """End one order's time: an unpaid one closes, a hold is released."""
        order = self._order(request)
        done = self.imitations[order.provider].expire(order)
        return answer({"status": order.status, "done": done})

    async def _console(self, request: web.Request) -> web.Response:
        """The staff acts in the provider's console, or the provider revises itself."""
        order = self._order(request)
        done = self.imitations[order.provider].act_in_console(order, await read(request, ConsoleAct))
        return answer({"status": order.status, "done": done})

    def _on_changed(self, order: Order, cause: str) -> None:
        """Let a fault of the console, or a chargeback, follow an operation."""
        if cause in ("pay", "capture") and order.status == "CAPTURED":
            struck = self._faults.draw(order.provider, cause, *CHARGEBACKS)
            if struck is not None:
                self._money.charge_back(order, is_won=struck.fault == "chargeback_won")
        for name, (action, causes, statuses) in CONSOLE_FAULTS.items():
            if cause not in causes or order.status not in statuses:
                continue
            if self._faults.draw(order.provider, cause, name) is not None:
                half = max(1, order.amount // 2) if action in ("capture", "refund") else None
                act = ConsoleAct(action, half)
                asyncio.get_running_loop().call_later(CONSOLE_AFTER_S, self._act_in_console, order.order_id, act)

    def _act_in_console(self, order_id: str, act: ConsoleAct) -> None:
        order = self.ledger.find(order_id)
        assert order is not None, order_id
        self.imitations[order.provider].act_in_console(order, act)

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return answer({"faults": self._faults.active})

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = await read(request, Fault)
        self._faults.add(fault)
        if fault.fault in (*LINE_FAULTS, *FILE_FAULTS):
            self.ledger.movements.forget_faults(struck=False)
        return answer({"faults": self._faults.active})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        self.ledger.movements.forget_faults(struck=True)
        return answer({"faults": []})

    async def _show_behaviour(self, _request: web.Request) -> web.Response:
        return answer(self._customers.behaviour)

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        behaviour = await read(request, CustomerBehaviour)
        self.ledger.remember(_CUSTOMERS, msgspec.json.encode(behaviour))
        self._customers.behave(behaviour)
        return answer(behaviour)


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _with_card(number: str, order: Order) -> Payment:
    """What the bank of this card does."""
    card = card_of(number)
    if card is None:
        raise web.HTTPBadRequest(text="no such test card")
    return Payment("decline", card.codes[order.provider]) if card.codes else Payment("pay")


def _payment(form: Mapping[str, Any]) -> Payment:
    try:
        return msgspec.convert({name: value for name, value in form.items() if name != "card"}, Payment)
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def run(settings: SandboxSettings) -> None:
    """Serve until SIGTERM."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    web.run_app(
        Sandbox(settings, registry.read_settings()).app(),
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        access_log=None,
        print=None,
        loop=loop,
        shutdown_timeout=SHUTDOWN_S,
    )
