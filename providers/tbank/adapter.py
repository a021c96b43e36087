"""The T-Bank adapter: internet acquiring, API v2."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

import msgspec

from billing.clearing.stuck import REFUND_OPEN
from billing.messages import ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, Outcome, PaymentStatus
from providers.base import (
    CallResult,
    Capabilities,
    ParsedCallback,
    Unsupported,
)
from providers.http import CallEnded, CallLimits, HttpProvider
from providers.registers import Register, load_map
from providers.settlement import MOSCOW, Settlement
from providers.statements import Part, StatementPage
from providers.tbank import requests, responses, webhook
from providers.tbank.api import Api
from providers.tbank.responses import Answer
from providers.tbank.settings import TBankSettings


class TBank(HttpProvider):
    """One terminal at T-Bank.

    ``OrderId`` is our operation's id, ``PaymentId`` T-Bank's id of the payment.

    ========  ==========================  =========================================================================
    CREATE    Init                        PENDING with ``payment_url``
    RECUR     CheckOrder, Init, Charge    by the payment's status: SUCCEEDED, PENDING or DECLINED
    CAPTURE   Confirm                     SUCCEEDED, or PENDING while it is processed
    VOID      Cancel                      SUCCEEDED, or PENDING while it is processed
    REFUND    Cancel                      SUCCEEDED; where the method takes time (SBP), PENDING for the whole and
                                          UNKNOWN for a part
    ROLLBACK  GetState, Cancel            as VOID and REFUND
    INQUIRE   GetState, or CheckOrder     SUCCEEDED with the observation; without one, and with reason
              while the id is not known   ``order_not_found``, for what T-Bank does not have
    ========  ==========================  =========================================================================

    Only Cancel is idempotent, by ``ExternalRequestId``, our operation's id. The adapter makes the others so:

    - A repeated Init makes a second payment. Only one page reaches the customer; the other expires. A payment whose page
      was lost with the answer cannot be used, so an inquiry ignores it while it is NEW, and the domain repeats Init.
    - A repeated Confirm is refused because of the state that the first one caused. The refusal does not show which call
      caused it: UNKNOWN, and an inquiry resolves it.
    - Charge needs a payment made by Init. The adapter first looks for it by our operation's id and charges it if it
      exists, so that a repeat finds what the first attempt made.

    Notifications do not identify a slow refund (``ASYNC_REFUNDING``), and another refund may have caused the payment's
    status ``PARTIAL_REFUNDED``. So the call is repeated with its key until the amount that T-Bank still holds
    (``NewAmount``) can only mean that this refund was made. One that fails later leaves no such sign: it stays UNKNOWN
    until the payment is REFUNDED whole, or until an operator corrects it.
    """

    name: ClassVar[str] = "tbank"
    capabilities = Capabilities(
        currencies=frozenset({requests.CURRENCY}),
        settlement=Settlement(
            zone=MOSCOW,
            source="file",
            ready_after=timedelta(hours=12),
            absent_after=timedelta(hours=36),
            reread=3,
            late=2,
            late_refunds=10,
        ),
        # It also refunds to bank accounts, which takes days.
        stuck_after={REFUND_OPEN.name: timedelta(days=3)},
        reports_failed_refunds=False,
    )

    def __init__(self, settings: TBankSettings, limits: CallLimits) -> None:
        self.capabilities = settings.narrow(type(self).capabilities)
        self._receipts = requests.Receipts(settings.taxation, requests.TAX_CODES | settings.tax_codes)
        self._register = Register(settings.registers_url, load_map(settings.map_name))
        self._api = Api(settings.url, settings.terminal_key, settings.password.get_secret_value(), limits)
        super().__init__(self._api, limits)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return webhook.parse(body)

    def parts(self, day: date) -> Sequence[Part]:
        return self._register.parts(day)

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        return self._register.pages(self._api.session, part, after)

    async def _perform(self, request: ProviderRequest) -> CallResult:
        match request.action:
            case Action.CREATE:
                return responses.opened(await self._done("Init", requests.init(request, self._receipts)))
            case Action.RECUR:
                return await self._charge(request)
            case Action.CAPTURE:
                return await self._confirm(request)
            case Action.VOID | Action.REFUND:
                return await self._cancel(request, await self._payment_id(request))
            case Action.ROLLBACK:
                return await self._roll_back(request)
            case Action.INQUIRE:
                return await self._inquire(request)

    async def _confirm(self, request: ProviderRequest) -> CallResult:
        body = requests.confirm(request, await self._payment_id(request), self._receipts)
        answer = await self._api.call("Confirm", body)
        if answer.error_code in responses.WRONG_STATE:
            state = await self._done("GetState", {"PaymentId": body["PaymentId"]})
            if state.status in responses.DONE[Action.CAPTURE]:
                return CallResult(Outcome.UNKNOWN, reason=Reason.ALREADY_KNOWN)
        return responses.operated(Action.CAPTURE, _checked(answer))

    async def _cancel(self, request: ProviderRequest, payment_id: str) -> CallResult:
        answer = await self._done("Cancel", requests.cancel(request, payment_id, self._receipts))
        if request.action is Action.REFUND:
            return responses.refunded(request, answer)
        return responses.operated(request.action, answer)

    async def _roll_back(self, request: ProviderRequest) -> CallResult:
        payment_id = await self._payment_id(request)
        state = await self._done("GetState", {"PaymentId": payment_id})
        if state.status in responses.DONE[Action.ROLLBACK] | responses.FAILED:
            return CallResult(Outcome.SUCCEEDED)
        body = requests.cancel(request, payment_id, self._receipts)
        del body["Amount"]  # without it Cancel refunds the whole remainder
        return responses.operated(Action.ROLLBACK, await self._done("Cancel", body))

    async def _charge(self, request: ProviderRequest) -> CallResult:
        if request.saved_method is None:
            raise Unsupported(Reason.INVALID_REQUEST)
        body = requests.init(request, self._receipts)
        found = responses.foremost((await self._order(body["OrderId"])).payments)
        if found is not None and found.status != "NEW":
            state = await self._done("GetState", {"PaymentId": found.id})
            return responses.operated(Action.RECUR, state)
        payment_id = found.id if found is not None else (await self._done("Init", body)).id
        if payment_id is None:
            return CallResult(Outcome.UNKNOWN, reason=Reason.UNREADABLE_ANSWER)
        answer = await self._done("Charge", {"PaymentId": payment_id, "RebillId": request.saved_method})
        return responses.operated(Action.RECUR, answer)

    async def _inquire(self, request: ProviderRequest) -> CallResult:
        payment_id = request.order_ref
        if not payment_id.isdecimal():
            found = responses.foremost((await self._order(payment_id)).payments)
            if found is None or found.status == "NEW":
                return responses.not_found()
            payment_id = found.id
        try:
            state = await self._done("GetState", {"PaymentId": payment_id})
        except CallEnded as ended:
            if ended.result.reason == Reason.ORDER_NOT_FOUND:
                return responses.not_found()
            raise
        if responses.STATUSES.get(state.status or "") is PaymentStatus.FAILED and state.order_id is not None:
            # Its own error code is that of the call: the order's list has the payment's.
            payments = (await self._order(state.order_id)).payments
            for payment in payments:
                if payment.id == payment_id and payment.error_code:
                    code = str(payment.error_code)
                    state = msgspec.structs.replace(state, error_code=code, message=payment.message, details=None)
        return responses.inquired(state, payment_id, request)

    async def _payment_id(self, request: ProviderRequest) -> str:
        """T-Bank's id of the payment, also where it has not reached us yet."""
        if request.order_ref.isdecimal():
            return request.order_ref
        found = responses.foremost((await self._order(request.order_ref)).payments)
        if found is None:
            raise CallEnded(CallResult(Outcome.DECLINED, reason=Reason.ORDER_NOT_FOUND))
        return found.id

    async def _order(self, order_id: str) -> responses.Order:
        order = await self._api.check_order(order_id)
        if not order.success:
            raise CallEnded(responses.refused(order))
        return order

    async def _done(self, method: str, body: Mapping[str, Any]) -> Answer:
        return _checked(await self._api.call(method, body))


def _checked(answer: Answer) -> Answer:
    if not answer.success:
        raise CallEnded(responses.refused(answer))
    return answer
