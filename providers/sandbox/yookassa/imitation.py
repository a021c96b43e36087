"""YooKassa as the rest of the sandbox sees it."""

from collections.abc import Sequence
from typing import ClassVar, Final

from aiohttp import web

from billing.money import from_decimal_string
from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import CallbackRequest, Imitation, Line
from providers.sandbox.ledger import Order
from providers.sandbox.yookassa.api import IDEMPOTENCY_S, YooKassaApi, error
from providers.sandbox.yookassa.model import PROVIDER, Payments
from providers.yookassa.settings import YooKassaSettings

DECLINED: Final = "insufficient_funds"


class YooKassaImitation(Imitation):
    """One shop of YooKassa."""

    name: ClassVar[str] = PROVIDER
    idempotency_s: ClassVar[float | None] = IDEMPOTENCY_S

    def __init__(self, settings: YooKassaSettings, context: SandboxContext) -> None:
        self._payments = Payments(settings.shop_id, context)
        self._api = YooKassaApi(self, self._payments, settings, context)

    def routes(self) -> list[web.RouteDef]:
        return self._api.routes()

    def pay(self, order: Order) -> bool:
        return self._payments.pay(order)

    def decline(self, order: Order, reason: str | None) -> bool:
        return self._payments.decline(order, reason or DECLINED)

    def abandon_checkout(self, order: Order) -> bool:
        return self._payments.changes.abandon_checkout(order)

    def expire(self, order: Order) -> bool:
        return self._payments.expire(order)

    def act_in_console(self, order: Order, act: ConsoleAct) -> bool:
        return self._payments.act_in_console(order, act)

    def callback(self, payload: bytes) -> CallbackRequest:
        return CallbackRequest({"Content-Type": "application/json"}, payload)

    def failure(self, status: int, reason: str, retry_s: int | None = None) -> web.Response:
        return error(status, reason, retry_ms=None if retry_s is None else retry_s * 1000)

    def lines(self, order: Order) -> Sequence[Line]:
        items = order.cart.get("items", [])
        if not items:
            return [Line(order.details["description"] or "Payment", order.amount)]
        return [
            Line(
                str(i["description"]), round(from_decimal_string(i["amount"]["value"], order.currency) * i["quantity"])
            )
            for i in items
        ]

    def resume(self) -> None:
        self._payments.resume()
