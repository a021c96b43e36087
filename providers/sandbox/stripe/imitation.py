"""Stripe as the rest of the sandbox sees it."""

import time
import uuid
from collections.abc import Sequence
from typing import ClassVar, Final

from aiohttp import web

from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import CallbackRequest, Imitation, Line
from providers.sandbox.ledger import Order
from providers.sandbox.stripe import api, serializers
from providers.sandbox.stripe.api import IDEMPOTENCY_S, StripeApi
from providers.sandbox.stripe.model import Payments
from providers.sandbox.stripe.requests import PROVIDER
from providers.sandbox.stripe.signing import signature
from providers.stripe.settings import StripeSettings

DECLINED: Final = "insufficient_funds"


class StripeImitation(Imitation):
    """One account of Stripe."""

    name: ClassVar[str] = PROVIDER
    idempotency_s: ClassVar[float | None] = IDEMPOTENCY_S

    def __init__(self, settings: StripeSettings, context: SandboxContext) -> None:
        self._secrets = [secret.get_secret_value() for secret in settings.webhook_secrets]
        self._payments = Payments(context)
        self._api = StripeApi(self, self._payments, settings, context)

    def routes(self) -> list[web.RouteDef]:
        return self._api.routes()

    def new_order_id(self) -> str:
        return f"{serializers.INTENT}{uuid.uuid4().hex}"

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
        signed = signature(self._secrets, payload, time.time())
        return CallbackRequest({"Content-Type": "application/json", "Stripe-Signature": signed}, payload)

    def acknowledges(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        return 200 <= status < 300  # noqa: PLR2004

    def failure(self, status: int, reason: str, retry_s: int | None = None) -> web.Response:
        return api.failure(status, reason, retry_s)

    def lines(self, order: Order) -> Sequence[Line]:
        return [Line(str(title), amount) for title, amount in order.details.get("lines", [])]

    def resume(self) -> None:
        self._payments.resume()
