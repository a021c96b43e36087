"""Yandex Pay's merchant API as its document says, on the sandbox' book."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from billing.errors import InvalidMoney
from billing.money import from_decimal_string, to_decimal_string
from providers.sandbox.book import Book, Operation, Order
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.faults import Faults, failure

PROVIDER: Final = "yandex-pay"
PREFIX: Final = "/yandex-pay"
MINIMUM: Final = 100
"""One rouble, in kopecks: the least an order, a refund or a remainder may be."""
REFUND_TAKES_S: Final = 0.05
HEAD_START_MS: Final = 300
CURRENCY: Final = "RUB"

Act = Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]


class YandexPaySandbox:
    """The API's handlers, and what customers do on its payment page."""

    def __init__(self, book: Book, callbacks: Callbacks, faults: Faults, api_key: str, public_url: str) -> None:
        self.two_stage = False
        self.on_created: Callable[[str], None] = lambda _: None
        self._book = book
        self._callbacks = callbacks
        self._faults = faults
        self._authorization = f"Api-Key {api_key}"
        self._public_url = public_url

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        api = f"{PREFIX}/api/merchant"
        order = f"{api}/v1/orders/{{order_id}}"
        return [
            web.get(f"{PREFIX}/api/jwks", self._jwks),
            web.post(f"{api}/v1/orders", self._guard("create", self._create)),
            web.get(order, self._guard("inquire", self._inquire)),
            web.post(f"{order}/capture", self._guard("capture", self._capture)),
            web.post(f"{order}/cancel", self._guard("void", self._cancel)),
            web.post(f"{order}/rollback", self._guard("rollback", self._rollback)),
            web.post(f"{api}/v2/orders/{{order_id}}/refund", self._guard("refund", self._refund)),
            web.get(f"{api}/v1/operations/{{external_id}}", self._guard("inquire", self._operation)),
        ]

    def pay(self, order: Order) -> bool:
        """The customer pays; whether the order could be paid."""
        if order.status != "PENDING" or order.blocked or order.expires < time.time():
            return False
        now = time.time()
        order.customer = "pays"
        order.authorized = order.amount
        order.operations.append(_new("AUTHORIZE", "SUCCESS", order.amount, now))
        if order.two_stage:
            order.status = "AUTHORIZED"
        else:
            order.captured = order.amount
            order.operations.append(_new("CAPTURE", "SUCCESS", order.amount, now))
            order.status = "CAPTURED"
        self._commit(order, "pay", [self._status_event(order)])
        return True

    def decline(self, order: Order, reason: str) -> bool:
        """The customer's bank says no."""
        if order.status != "PENDING" or order.blocked:
            return False
        order.customer, order.status, order.reason = "declines", "FAILED", reason
        order.operations.append(_new("AUTHORIZE", "FAIL", order.amount, time.time(), reason=reason))
        self._commit(order, "pay", [self._status_event(order)])
        return True

    def walk_away(self, order: Order) -> bool:
        """The customer closes the page."""
        if order.customer is None:
            order.customer = "walks_away"
            with self._book.change():
                self._book.put(order)
        return True

    def _guard(self, operation: str, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What is the same for all calls: the key, the body, the faults."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != self._authorization:
                return failure(401, "AUTHENTICATION_ERROR", "the API key is not known")
            if (struck := await self._faults.before(request, PROVIDER, operation)) is not None:
                return struck
            try:
                body = msgspec.json.decode(await request.read() or b"{}")
                answer = await act(request, body)
            except (msgspec.MsgspecError, InvalidMoney, KeyError, TypeError, ValueError) as error:
                return failure(400, "BAD_FORMAT", f"the request cannot be understood: {error!r}")
            if (early := self._faults.draw(PROVIDER, operation, "callback_before_answer")) is not None:
                await asyncio.sleep((early.delay_ms or HEAD_START_MS) / 1000)  # the callbacks are on their way
            if answer.status == 200 and (struck := await self._faults.after(PROVIDER, operation)) is not None:  # noqa: PLR2004
                return struck
            return answer

        return handle

    async def _jwks(self, _request: web.Request) -> web.Response:
        return _json(self._callbacks.jwks)

    async def _create(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        order_id = str(body["orderId"])
        if (order := self._book.find(order_id)) is not None:
            if order.arguments != _fingerprint(body):
                return failure(409, "ORDER_ALREADY_EXISTS", "another order has this id")
            self._count(order, "create", request)
            with self._book.change():
                self._book.put(order)
            return self._created(order)
        amount = from_decimal_string(body["cart"]["total"]["amount"], CURRENCY)
        items = body["cart"]["items"]
        products = [item["productId"] for item in items]
        total = sum(from_decimal_string(item["total"], CURRENCY) for item in items)
        ttl = int(body.get("ttl", 1800))
        if body["currencyCode"] != CURRENCY or len(set(products)) != len(products) or not 180 <= ttl <= 604_800:  # noqa: PLR2004
            return failure(400, "VALIDATION_ERROR", "currency, products or ttl")
        if total != amount or amount < MINIMUM:
            return failure(400, "ORDER_CART_DATA_ERROR", f"the items come to {total}, the cart says {amount}")
        now = time.time()
        order = Order(
            order_id=order_id, provider=PROVIDER, currency=CURRENCY, amount=amount, status="PENDING", created=now,
            expires=now + ttl, two_stage=self.two_stage, cart=body["cart"], redirect=body.get("redirectUrls", {}),
            arguments=_fingerprint(body),
        )  # fmt: skip
        self._count(order, "create", request)
        with self._book.change():
            self._book.put(order)
        self.on_created(order_id)
        return self._created(order)

    def _created(self, order: Order) -> web.Response:
        return _success({"paymentUrl": self._url(order)})

    async def _inquire(self, request: web.Request, _body: dict[str, Any]) -> web.Response:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            return failure(404, "ORDER_NOT_FOUND", "no such order")
        view = {
            "orderId": order.order_id,
            "currencyCode": order.currency,
            "orderAmount": to_decimal_string(order.amount, CURRENCY),
            "paymentStatus": order.status,
            "paymentUrl": self._url(order),
            "cart": order.cart,
            "created": _time(order.created),
            "updated": _time(max([order.created, *(o.updated for o in order.operations)])),
        }
        if order.reason:
            view["reason"] = order.reason
        return _success({"order": view, "operations": [_operation(order, o) for o in order.operations]})

    async def _operation(self, request: web.Request, _body: dict[str, Any]) -> web.Response:
        external = request.match_info["external_id"]
        order = self._book.find_by_operation(external)
        if order is None:
            return failure(404, "OPERATION_NOT_FOUND", "no such operation")
        found = next(o for o in order.operations if o.key == external)
        return _success({"operation": _operation(order, found)})

    async def _capture(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            return failure(404, "ORDER_NOT_FOUND", "no such order")
        key = body.get("externalOperationId")
        self._count(order, "capture", request)
        if (known := _known(order, key, body)) is not None:
            return known
        amount = from_decimal_string(body["orderAmount"], CURRENCY) if "orderAmount" in body else order.authorized
        if order.status != "AUTHORIZED":
            return failure(409, "ORDER_STATUS_MISMATCH", f"a {order.status} order cannot be captured")
        if not MINIMUM <= amount <= order.authorized or (amount < order.authorized and "cart" not in body):
            return failure(400, "ORDER_CART_DATA_ERROR", "the amount, or the final cart is missing")
        operation = _new("CAPTURE", "SUCCESS", amount, time.time(), key, arguments=_fingerprint(body))
        order.operations.append(operation)
        order.captured, order.status = amount, "CAPTURED"
        if "cart" in body:
            order.cart = body["cart"]
        self._commit(order, "capture", [self._operation_event(order, operation), self._status_event(order)])
        return _success({"operation": _operation(order, operation)})

    async def _cancel(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            return failure(404, "ORDER_NOT_FOUND", "no such order")
        key = body.get("externalOperationId")
        self._count(order, "void", request)
        if (known := _known(order, key, body)) is not None:
            return known
        if order.status != "AUTHORIZED":
            return failure(409, "ORDER_STATUS_MISMATCH", f"a {order.status} order cannot be cancelled")
        operation = _new("VOID", "SUCCESS", order.authorized, time.time(), key, arguments=_fingerprint(body))
        order.operations.append(operation)
        order.status, order.reason = "VOIDED", str(body["reason"])
        self._commit(order, "void", [self._operation_event(order, operation), self._status_event(order)])
        return _success({"operation": _operation(order, operation)})

    async def _refund(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            return failure(404, "ORDER_NOT_FOUND", "no such order")
        key = body.get("externalOperationId")
        self._count(order, "refund", request)
        if (known := _known(order, key, body)) is not None:
            return known
        amount = from_decimal_string(body["refundAmount"], CURRENCY)
        left = order.captured - order.refunded
        if order.status not in ("CAPTURED", "PARTIALLY_REFUNDED"):
            return failure(409, "ORDER_STATUS_MISMATCH", f"a {order.status} order cannot be refunded")
        if any(o.type == "REFUND" and o.status == "PENDING" for o in order.operations):
            return failure(409, "ANOTHER_OPERATION_IN_PROGRESS", "one refund at a time")
        if not MINIMUM <= amount <= left or 0 < left - amount < MINIMUM:
            return failure(400, "ORDER_CART_DATA_ERROR", f"{amount} of {left}")
        if (problem := _target_problem(body, left - amount)) is not None:
            return failure(400, "ORDER_CART_DATA_ERROR", problem)
        operation = _new("REFUND", "PENDING", amount, time.time(), key, arguments=_fingerprint(body))
        order.operations.append(operation)
        self._commit(order, "refund", [])
        self._later(REFUND_TAKES_S, self._finish_refund, order.order_id, operation.id)
        return _success({"operation": _operation(order, operation)})

    async def _rollback(self, request: web.Request, _body: dict[str, Any]) -> web.Response:
        order = self._book.find(request.match_info["order_id"])
        if order is None:
            return failure(404, "ORDER_NOT_FOUND", "no such order")
        self._count(order, "rollback", request)
        now, events = time.time(), []
        for operation in order.operations:
            if operation.status == "PENDING":  # a refund under way: everything is given back at once instead
                operation.status, operation.updated = "FAIL", now
                events.append(self._operation_event(order, operation))
        if order.captured > order.refunded:
            order.operations.append(_new("REFUND", "SUCCESS", order.captured - order.refunded, now))
            order.refunded = order.captured
        elif order.status == "AUTHORIZED":
            order.operations.append(_new("VOID", "SUCCESS", order.authorized, now))
        changed = order.status != "FAILED"
        order.status, order.blocked = "FAILED", True
        self._commit(order, "rollback", [*events, self._status_event(order)] if changed else [])
        return _success({})

    def resume(self) -> None:
        """Finish the refunds that a former process left pending."""
        for order in self._book.select(None, 0.0, 1_000_000):
            for operation in order.operations:
                if operation.type == "REFUND" and operation.status == "PENDING":
                    self._later(REFUND_TAKES_S, self._finish_refund, order.order_id, operation.id)

    def _finish_refund(self, order_id: str, operation_id: str) -> None:
        order = self._book.find(order_id)
        assert order is not None
        operation = next(o for o in order.operations if o.id == operation_id)
        if operation.status != "PENDING":
            return
        operation.status, operation.updated = "SUCCESS", time.time()
        order.refunded += operation.amount
        order.status = "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
        self._commit(order, "refund", [self._operation_event(order, operation), self._status_event(order)])

    def _commit(self, order: Order, operation: str, events: list[bytes]) -> None:
        """Write the order and its callbacks down together, then deliver them."""
        deliveries = []
        with self._book.change():
            self._book.put(order)
            for event in events:
                if self._faults.draw(PROVIDER, operation, "callback_lost") is not None:
                    continue
                copies = 2 if self._faults.draw(PROVIDER, operation, "callback_twice") is not None else 1
                deliveries += [self._book.add_delivery(order.order_id, event, time.time()) for _ in range(copies)]
        for delivery in deliveries:
            self._callbacks.send(delivery)

    def _later(self, delay_s: float, act: Callable[..., None], *arguments: str) -> None:
        asyncio.get_running_loop().call_later(delay_s, act, *arguments)

    def _status_event(self, order: Order) -> bytes:
        return self._callbacks.payload(
            "ORDER_STATUS_UPDATED", order={"orderId": order.order_id, "paymentStatus": order.status}
        )

    def _operation_event(self, order: Order, operation: Operation) -> bytes:
        what = {
            "operationId": operation.id,
            "operationType": operation.type,
            "orderId": order.order_id,
            "status": operation.status,
        }
        if operation.key:
            what["externalOperationId"] = operation.key
        return self._callbacks.payload("OPERATION_STATUS_UPDATED", operation=what)

    def _count(self, order: Order, operation: str, request: web.Request) -> None:
        order.requests[operation] = order.requests.get(operation, 0) + 1
        key = request.headers.get("X-Request-Id", "")
        if key not in order.keys:
            order.keys.append(key)

    def _url(self, order: Order) -> str:
        return f"{self._public_url}/pay/{order.order_id}"


def _known(order: Order, key: str | None, body: dict[str, Any]) -> web.Response | None:
    """The answer to an operation asked for before: the same arguments get the same operation."""
    found = next((o for o in order.operations if key is not None and o.key == key), None)
    if found is None:
        return None
    if found.arguments != _fingerprint(body):
        return failure(409, "DUPLICATE_EXTERNAL_OPERATION_ID", "this id was used with other arguments")
    return _success({"operation": _operation(order, found)})


def _target_problem(body: dict[str, Any], remains: int) -> str | None:
    if "targetCart" not in body:
        return None if remains == 0 else "without a target cart the whole order is refunded"
    total = sum(
        int(item["quantityCount"]) * from_decimal_string(item["price"], CURRENCY)
        for item in body["targetCart"]["items"]
    )
    return None if total == remains else f"the target cart comes to {total}, {remains} remain"


def _new(
    type: str, status: str, amount: int, now: float, key: str | None = None, reason: str | None = None,
    arguments: bytes = b"",
) -> Operation:  # fmt: skip
    return Operation(str(uuid.uuid4()), type, status, amount, key, reason, now, now, arguments)


def _fingerprint(body: dict[str, Any]) -> bytes:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()


def _operation(order: Order, operation: Operation) -> dict[str, Any]:
    view: dict[str, Any] = {
        "operationId": operation.id,
        "orderId": order.order_id,
        "operationType": operation.type,
        "status": operation.status,
        "amount": to_decimal_string(operation.amount, CURRENCY),
        "created": _time(operation.created),
        "updated": _time(operation.updated),
    }
    if operation.key:
        view["externalOperationId"] = operation.key
    if operation.reason:
        view["reason"] = operation.reason
    return view


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")


def _success(data: dict[str, Any]) -> web.Response:
    return _json({"code": 200, "status": "success", "data": data})


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
