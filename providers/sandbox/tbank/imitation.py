"""T-Bank as the rest of the sandbox sees it."""

import uuid
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec
from aiohttp import web

from providers.sandbox.console import ConsoleAct
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import CallbackRequest, Imitation, Line
from providers.sandbox.ledger import Order
from providers.sandbox.tbank.api import TBankApi, refusal
from providers.sandbox.tbank.errors import TROUBLE, WRONG_TOKEN
from providers.sandbox.tbank.model import PROVIDER, Payments
from providers.sandbox.tbank.signing import token
from providers.statements import LineKind
from providers.tbank.settings import TBankSettings

#: Not enough money.
DECLINED: Final = "1051"
ACKNOWLEDGEMENT: Final = b"OK"


class TBankImitation(Imitation):
    """One terminal of T-Bank."""

    name: ClassVar[str] = PROVIDER
    register_types: ClassVar = {
        LineKind.CHARGE: "Debit",
        LineKind.REFUND: "Credit",
        LineKind.REFUND_UNDONE: "CancelRefund",
        LineKind.CHARGEBACK: "Chargeback",
        LineKind.CHARGEBACK_UNDONE: "Chargeback_Reversal",
        LineKind.PAYOUT: "Payout",
        LineKind.PAYOUT_FAILED: "Payout_Return",
    }

    def __init__(self, settings: TBankSettings, context: SandboxContext) -> None:
        self._password = settings.password.get_secret_value()
        self._payments = Payments(settings.terminal_key, context)
        self._api = TBankApi(self, self._payments, settings, context)

    def routes(self) -> list[web.RouteDef]:
        return self._api.routes()

    def new_order_id(self) -> str:
        return str(10**10 + uuid.uuid4().int % 10**10)

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
        fields = msgspec.json.decode(payload)
        body = msgspec.json.encode({**fields, "Token": token(fields, self._password)})
        return CallbackRequest({"Content-Type": "application/json"}, body)

    def acknowledges(self, status: int, body: bytes) -> bool:
        return status == web.HTTPOk.status_code and body == ACKNOWLEDGEMENT

    def failure(self, status: int, reason: str, retry_s: int | None = None) -> web.Response:
        if status == web.HTTPUnauthorized.status_code:
            return refusal(WRONG_TOKEN, reason)  # it has no status of HTTP for that
        answer = refusal(TROUBLE, reason, status=status)
        if retry_s is not None:
            answer.headers["Retry-After"] = str(retry_s)
        return answer

    def lines(self, order: Order) -> Sequence[Line]:
        return [Line(order.details["description"], order.amount)]

    def resume(self) -> None:
        self._payments.resume()
