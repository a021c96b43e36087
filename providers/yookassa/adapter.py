"""The YooKassa adapter: API v3 (payments, refunds), notifications."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import ClassVar

from billing.clearing.stuck import REFUND_OPEN, UNPAID
from billing.messages import Observation, ObservedOperation, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome
from providers.base import CallResult, Capabilities, ParsedCallback, Unsupported
from providers.http import CLOCKS_DIFFER, CallEnded, CallLimits, HttpProvider
from providers.settlement import MOSCOW, Settlement
from providers.statement_calls import StatementCalls
from providers.statements import Part, StatementLine, StatementPage, windows
from providers.yookassa import requests, responses, statements, webhook
from providers.yookassa.api import Api, between
from providers.yookassa.receipts import TAX_CODES
from providers.yookassa.responses import Payment, Refund
from providers.yookassa.settings import YooKassaSettings


class YooKassa(HttpProvider):
    """One shop at YooKassa.

    ``Idempotence-Key`` is our operation's id, the same on every attempt; YooKassa remembers it for 24 hours. YooKassa
    makes the payment's id. Until that has reached us the payment is found by our operation's id, which it carries in its
    metadata; so is a refund.

    ========  =================================  ==================================================================
    CREATE    POST /payments                     PENDING with ``payment_url`` and the payment's id; needs return URLs
    RECUR     POST /payments, payment_method_id  SUCCEEDED, or DECLINED with the reason of cancellation_details
    CAPTURE   POST /payments/{id}/capture        SUCCEEDED
    VOID      POST /payments/{id}/cancel         SUCCEEDED
    REFUND    POST /refunds                      as the refund in the answer: SUCCEEDED, PENDING, DECLINED
    ROLLBACK  GET, then cancel or refund         an unpaid payment cannot be closed: DECLINED, ``unsupported``
    INQUIRE   GET /payments/{id}, GET /refunds   SUCCEEDED with the observation; for a payment that YooKassa does not
                                                 have, one without a status, and reason ``order_not_found``
    ========  =================================  ==================================================================

    Two stages are chosen per request. 500 and 202 leave the outcome UNKNOWN; 429, or ``retry_after`` in an error, is
    NOT_SENT. Outcomes of calls without a usable answer: :mod:`providers.http`.
    """

    name: ClassVar[str] = "yookassa"
    capabilities = Capabilities(
        currencies=frozenset({"RUB"}),
        settlement=Settlement(
            zone=MOSCOW,
            source="api",
            ready_after=timedelta(hours=2),
            absent_after=timedelta(hours=12),
            reread=7,
            late=1,
            late_refunds=7,
            refunds_dated_by="creation",
            # It publishes no limit: half of ten calls a second.
            calls_per_s=5.0,
        ),
        # Its page may stay open longer than our payment; refunds to bank accounts take days.
        stuck_after={UNPAID.name: timedelta(hours=2), REFUND_OPEN.name: timedelta(days=3)},
    )

    def __init__(self, settings: YooKassaSettings, limits: CallLimits) -> None:
        self.capabilities = settings.narrow(type(self).capabilities)
        self._statements = StatementCalls(self.capabilities.settlement.calls_per_s)
        self._taxes = TAX_CODES | settings.tax_codes
        self._api = Api(settings.url, settings.shop_id, settings.secret_key.get_secret_value(), limits)
        super().__init__(self._api, limits)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return webhook.parse(body)

    def parts(self, day: date) -> Sequence[Part]:
        hours = windows(*self.capabilities.settlement.business_day(day))
        captured = [Part(day, statements.PAYMENTS, between("captured_at", *hour)) for hour in hours]
        # The list knows only when a refund was asked for; those that are not done yet are read singly, by their ids.
        succeeded = {"status": statements.SUCCEEDED}
        refunded = [Part(day, statements.REFUNDS, between("created_at", *hour) | succeeded) for hour in hours]
        return (*captured, *refunded)

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        return self._statements.pages(partial(self._page, part), after)

    async def refund(self, provider_ref: str) -> StatementLine | None:
        refund = await self._statements.call(partial(self._api.refund, provider_ref))
        return statements.refund_line(refund) if refund.status == statements.SUCCEEDED else None

    async def _page(self, part: Part, after: str | None) -> StatementPage:
        if part.list == statements.PAYMENTS:
            payments, following = await self._api.page(part.list, part.filters, statements.CapturedPayment, after)
            return StatementPage(tuple(map(statements.charge_line, payments)), following)
        refunds, following = await self._api.page(part.list, part.filters, Refund, after)
        return StatementPage(tuple(map(statements.refund_line, refunds)), following)

    async def _perform(self, request: ProviderRequest) -> CallResult:
        key, payment = str(request.operation_id), f"/payments/{request.order_ref}"
        match request.action:
            case Action.CREATE:
                return responses.opened(
                    await self._api.post("/payments", key, requests.create(request, self._taxes), Payment)
                )
            case Action.RECUR:
                return responses.opened(
                    await self._api.post("/payments", key, requests.recur(request, self._taxes), Payment)
                )
            case Action.CAPTURE:
                body = requests.capture(request, self._taxes)
                return responses.captured(await self._api.post(f"{payment}/capture", key, body, Payment))
            case Action.VOID:
                return responses.canceled(await self._api.post(f"{payment}/cancel", key, {}, Payment))
            case Action.REFUND:
                return responses.refunded(
                    await self._api.post("/refunds", key, requests.refund(request, self._taxes), Refund)
                )
            case Action.ROLLBACK:
                return await self._roll_back(request)
            case Action.INQUIRE:
                return await self._inquire(request)

    async def _inquire(self, request: ProviderRequest) -> CallResult:
        payment = await self._find(request)
        if payment is None:
            return CallResult(Outcome.SUCCEEDED, reason=Reason.ORDER_NOT_FOUND, observed=Observation())
        refunds = await self._api.refunds(payment.id) if payment.status == "succeeded" else []
        url = None if payment.confirmation is None else payment.confirmation.confirmation_url
        return CallResult(Outcome.SUCCEEDED, payment_url=url, observed=responses.observation(payment, refunds))

    async def _roll_back(self, request: ProviderRequest) -> CallResult:
        payment, key = await self._find(request), str(request.operation_id)
        if payment is None or payment.status == "pending":
            raise Unsupported(Reason.UNSUPPORTED)
        if payment.status == "canceled":
            return CallResult(Outcome.SUCCEEDED)
        if payment.status == "waiting_for_capture":
            return responses.canceled(await self._api.post(f"/payments/{payment.id}/cancel", key, {}, Payment))
        body = requests.refund(request, self._taxes)
        result = responses.refunded(await self._api.post("/refunds", key, {**body, "payment_id": payment.id}, Refund))
        if result.outcome is not Outcome.SUCCEEDED:
            return result
        # Success would mean that everything is refunded; other refunds may be open. This one is done.
        done = ObservedOperation(
            OperationType.REFUND, OperationStatus.SUCCESS, request.operation_id, result.provider_ref, request.amount
        )
        return CallResult(Outcome.PENDING, result.provider_ref, observed=Observation(operations=(done,)))

    async def _find(self, request: ProviderRequest) -> Payment | None:
        """The payment, by its id or, until we know that, by the operation that opened it."""
        if request.order_ref != str(request.operation_id):
            try:
                return await self._api.payment(request.order_ref)
            except CallEnded as ended:
                if ended.result.reason != Reason.ORDER_NOT_FOUND:
                    raise
        if request.opened_at is None:
            raise CallEnded(CallResult(Outcome.UNKNOWN, reason=Reason.NOT_NAMED))
        return await self._api.find_payment(request.order_ref, request.opened_at - CLOCKS_DIFFER)
