"""Yandex Pay as the rest of the sandbox sees it."""

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec
from aiohttp import web

from billing.vocabulary import CaptureMode
from providers.sandbox import json_http
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import CallbackRequest, Imitation, Line
from providers.sandbox.ledger import Order
from providers.sandbox.yandex_pay import carts
from providers.sandbox.yandex_pay.api import YandexPayApi, refusal
from providers.sandbox.yandex_pay.model import PROVIDER, Orders
from providers.sandbox.yandex_pay.signing import Signer, signing_key
from providers.statements import LineKind
from providers.yandex_pay.settings import YandexPaySettings

DECLINED: Final = "INSUFFICIENT_FUNDS"
MERCHANT_PATH: Final = "/_sandbox/merchant"
CODES: Final = {401: "AUTHENTICATION_ERROR", 429: "TOO_MANY_REQUESTS", 500: "INTERNAL"}


class Merchant(msgspec.Struct):
    """A merchant's settings at the provider."""

    two_stage: bool


class YandexPayImitation(Imitation):
    """One merchant of Yandex Pay."""

    name: ClassVar[str] = PROVIDER
    register_types: ClassVar = {
        LineKind.CHARGE: "CAPTURE",
        LineKind.REFUND: "REFUND",
        LineKind.REFUND_UNDONE: "REFUND_UNDONE",
        LineKind.CHARGEBACK: "CHARGEBACK",
        LineKind.CHARGEBACK_UNDONE: "CHARGEBACK_UNDONE",
        LineKind.PAYOUT: "PAYOUT",
        LineKind.PAYOUT_FAILED: "PAYOUT_FAILED",
    }
    callback_path: ClassVar[str] = "/v1/webhook"

    def __init__(self, settings: YandexPaySettings, context: SandboxContext) -> None:
        self._signer = Signer(signing_key(context.ledger))
        two_stage = settings.capture_mode is CaptureMode.TWO_STAGE
        self._orders = Orders(settings.merchant_id, context, two_stage=two_stage)
        self._api = YandexPayApi(self, self._orders, self._signer, settings, context)

    def routes(self) -> list[web.RouteDef]:
        return [
            *self._api.routes(),
            web.get(MERCHANT_PATH, self._show_merchant),
            web.post(MERCHANT_PATH, self._set_merchant),
        ]

    def pay(self, order: Order) -> bool:
        return self._orders.pay(order)

    def decline(self, order: Order, reason: str | None) -> bool:
        return self._orders.decline(order, reason or DECLINED)

    def abandon_checkout(self, order: Order) -> bool:
        return self._orders.changes.abandon_checkout(order)

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        return self._orders.act_in_console(order, act)

    def callback(self, payload: bytes) -> CallbackRequest:
        return CallbackRequest({"Content-Type": "application/octet-stream"}, self._signer.sign(payload))

    def failure(self, status: int, reason: str, retry_s: int | None = None) -> web.Response:
        headers = None if retry_s is None else {"Retry-After": str(retry_s)}
        return refusal(status, CODES[status], reason, headers)

    def lines(self, order: Order) -> Sequence[Line]:
        return carts.lines(order.cart)

    def resume(self) -> None:
        self._orders.resume()

    async def _show_merchant(self, _request: web.Request) -> web.Response:
        return json_http.answer(Merchant(self._orders.two_stage))

    async def _set_merchant(self, request: web.Request) -> web.Response:
        self._orders.two_stage = (await json_http.read(request, Merchant)).two_stage
        return await self._show_merchant(request)
