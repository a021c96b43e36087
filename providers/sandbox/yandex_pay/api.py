"""Yandex Pay's merchant API over HTTP, by its document: keys, envelopes, statuses."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from billing.errors import InvalidMoney
from providers.sandbox import json_http
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.sandbox.ledger import Order
from providers.sandbox.yandex_pay import serializers
from providers.sandbox.yandex_pay.errors import CartProblem, Refused
from providers.sandbox.yandex_pay.model import Orders
from providers.sandbox.yandex_pay.signing import Signer
from providers.yandex_pay.settings import YandexPaySettings

PREFIX: Final = "/yandex-pay"
OK: Final = 200

Act = Callable[[web.Request, dict[str, Any]], dict[str, Any]]


class YandexPayApi:
    """The API's handlers over the ``orders``."""

    def __init__(
        self, imitation: Imitation, orders: Orders, signer: Signer, settings: YandexPaySettings, context: SandboxContext
    ) -> None:
        self._imitation = imitation
        self._orders = orders
        self._signer = signer
        self._ledger = context.ledger
        self._faults = context.faults
        self._authorization = f"Api-Key {settings.api_key.get_secret_value()}"
        self._merchant_id = settings.merchant_id
        self._payment_url = context.payment_url

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        api = f"{PREFIX}/api/merchant"
        order = f"{api}/v1/orders/{{order_id}}"
        return [
            web.get(f"{PREFIX}/api/jwks", self._jwks),
            web.post(f"{api}/v1/orders", self._guard("create", self._create)),
            web.post(f"{api}/v1/subscriptions", self._guard("create", self._subscribe)),
            web.post(f"{api}/v1/subscriptions/recur", self._guard("recur", self._recur)),
            web.get(order, self._guard("inquire", self._inquire)),
            web.post(f"{order}/capture", self._guard("capture", self._capture)),
            web.post(f"{order}/cancel", self._guard("void", self._cancel)),
            web.post(f"{order}/rollback", self._guard("rollback", self._rollback)),
            web.post(f"{api}/v2/orders/{{order_id}}/refund", self._guard("refund", self._refund)),
            web.get(f"{api}/v1/operations/{{external_id}}", self._guard("inquire", self._operation)),
        ]

    def _guard(self, operation: str, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Common to all calls: the key, the body, the envelopes, the faults. ``act`` gives the data."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != self._authorization:
                return refusal(401, "AUTHENTICATION_ERROR", "the API key is not known")
            if (struck := await self._faults.before(request, self._imitation, operation)) is not None:
                return struck
            try:
                data = act(request, msgspec.json.decode(await request.read() or b"{}"))
            except Refused as refused:
                return refusal(refused.status, refused.code, refused.reason)
            except (InvalidMoney, CartProblem) as error:
                return refusal(400, "ORDER_CART_DATA_ERROR", str(error))
            except (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                return refusal(400, "BAD_FORMAT", f"the request cannot be understood: {error!r}")
            if (struck := await self._faults.after(self._imitation, operation)) is not None:
                return struck
            return json_http.answer({"code": OK, "status": "success", "data": data})

        return handle

    async def _jwks(self, _request: web.Request) -> web.Response:
        return json_http.answer(self._signer.jwks)

    def _create(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        order = self._orders.open(body, _request_id(request))
        return {"paymentUrl": self._payment_url(order.order_id)}

    def _subscribe(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        order = self._orders.open(body, _request_id(request), saves=True)
        return {"paymentUrl": self._payment_url(order.order_id)}

    def _recur(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"operationId": self._orders.recur(body, _request_id(request)).id}

    def _inquire(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        order = self._find(request)
        view = serializers.order(order, self._payment_url(order.order_id), self._merchant_id)
        return {
            "order": view,
            "operations": [serializers.operation(order, operation) for operation in order.operations],
        }

    def _capture(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        order = self._find(request)
        return {"operation": serializers.operation(order, self._orders.capture(order, body, _request_id(request)))}

    def _cancel(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        order = self._find(request)
        return {"operation": serializers.operation(order, self._orders.cancel(order, body, _request_id(request)))}

    def _refund(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        order = self._find(request)
        return {"operation": serializers.operation(order, self._orders.refund(order, body, _request_id(request)))}

    def _rollback(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        self._orders.rollback(self._find(request), _request_id(request))
        return {}

    def _operation(self, request: web.Request, _body: dict[str, Any]) -> dict[str, Any]:
        key = request.match_info["external_id"]
        order = self._ledger.find_by_operation(key)
        operation = None if order is None else next((o for o in order.operations if o.key == key), None)
        if order is None or operation is None:
            raise Refused(404, "OPERATION_NOT_FOUND", "no such operation")
        return {"operation": serializers.operation(order, operation)}

    def _find(self, request: web.Request) -> Order:
        order = self._orders.changes.find(request.match_info["order_id"])
        if order is None:
            raise Refused(404, "ORDER_NOT_FOUND", "no such order")
        return order


def refusal(status: int, code: str, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    """The envelope of a refusal."""
    return json_http.answer({"status": "fail", "reasonCode": code, "reason": reason}, status, headers)


def _request_id(request: web.Request) -> str | None:
    return request.headers.get("X-Request-Id")
