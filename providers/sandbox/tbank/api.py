"""T-Bank's API over HTTP, by its document: tokens, one envelope, HTTP 200 for refusals too."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from providers.sandbox import json_http
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.sandbox.ledger import Order
from providers.sandbox.tbank import serializers
from providers.sandbox.tbank.errors import NO_PAYMENT, WRONG_FIELD, WRONG_TERMINAL, WRONG_TOKEN, Refused
from providers.sandbox.tbank.model import PROVIDER, Payments, cancels
from providers.sandbox.tbank.signing import token
from providers.tbank.settings import TBankSettings

PREFIX: Final = f"/{PROVIDER}/v2"

Body = dict[str, Any]
Act = Callable[[Body], Body]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TBankApi:
    """The API's handlers over the ``payments``."""

    def __init__(
        self, imitation: Imitation, payments: Payments, settings: TBankSettings, context: SandboxContext
    ) -> None:
        self._imitation = imitation
        self._payments = payments
        self._faults = context.faults
        self._payment_url = context.payment_url
        self._terminal_key = settings.terminal_key
        self._password = settings.password.get_secret_value()

    def routes(self) -> list[web.RouteDef]:
        """The API's routes."""
        return [
            web.post(f"{PREFIX}/Init", self._guard("create", self._init)),
            web.post(f"{PREFIX}/Charge", self._guard("recur", self._charge)),
            web.post(f"{PREFIX}/Confirm", self._guard("capture", self._confirm)),
            web.post(f"{PREFIX}/Cancel", self._guard(None, self._cancel)),
            web.post(f"{PREFIX}/GetState", self._guard("inquire", self._state)),
            web.post(f"{PREFIX}/CheckOrder", self._guard("inquire", self._check_order)),
        ]

    def _guard(self, name: str | None, act: Act) -> Handler:
        """Common to all calls: the token, the envelope, the faults. ``name``: its name in faults and the
        ledger; ``None``: Cancel, which the payment's state decides."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = msgspec.json.decode(await request.read(), type=dict[str, Any])
                self._check(body)
                operation = name or cancels(self._payments.find(body.get("PaymentId")))
                if (struck := await self._faults.before(request, self._imitation, operation)) is not None:
                    return struck
                answer = json_http.answer(act(body))
            except msgspec.MsgspecError as error:
                return refusal(WRONG_FIELD, str(error))
            except Refused as refused:
                return refusal(refused.code, refused.message, refused.status)
            return await self._faults.after(self._imitation, operation) or answer

        return handle

    def _check(self, body: Body) -> None:
        if body.get("TerminalKey") != self._terminal_key:
            raise Refused(WRONG_TERMINAL, "no such terminal")
        if body.get("Token") != token(body, self._password):
            raise Refused(WRONG_TOKEN, "the token is wrong")

    def _init(self, body: Body) -> Body:
        order = self._payments.init(body)
        return {**self._answer(order), "PaymentURL": self._payment_url(order.order_id)}

    def _charge(self, body: Body) -> Body:
        return self._answer(self._payments.charge(self._order(body), str(body.get("RebillId"))))

    def _confirm(self, body: Body) -> Body:
        return serializers.confirmed(self._payments.confirm(self._order(body), body), self._terminal_key)

    def _cancel(self, body: Body) -> Body:
        order = self._order(body)
        before = order.captured - order.refunded or order.amount
        return serializers.canceled(self._payments.cancel(order, body), self._terminal_key, before)

    def _state(self, body: Body) -> Body:
        return self._answer(self._order(body))

    def _check_order(self, body: Body) -> Body:
        found = self._payments.of_order(str(body.get("OrderId")))
        if not found:
            raise Refused(NO_PAYMENT, "no such order")
        return {
            "TerminalKey": self._terminal_key,
            "OrderId": body["OrderId"],
            "Success": True,
            "ErrorCode": serializers.FINE,
            "Payments": [serializers.found(order) for order in found],
        }

    def _order(self, body: Body) -> Order:
        return self._payments.find(body.get("PaymentId"))

    def _answer(self, order: Order) -> Body:
        return serializers.answer(order, self._terminal_key)


def refusal(code: str, message: str, payment_status: str | None = None, status: int = 200) -> web.Response:
    """The envelope of a refusal. ``payment_status``: the payment's; ``status``: HTTP's."""
    body: Body = {"Success": False, "ErrorCode": code, "Message": message, "Details": message}
    return json_http.answer(body | ({"Status": payment_status} if payment_status else {}), status)
