"""The YooKassa adapter: API v3 (payments, refunds), notifications."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from billing.messages import Observation, ObservedOperation, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome
from providers.base import (
    MOSCOW,
    CallResult,
    Capabilities,
    ParsedCallback,
    Provider,
    StatementLine,
    Unsupported,
    VerifiedCallback,
)
from providers.http import CallEnded, conclude, statement_errors
from providers.yookassa import requests, responses, webhook
from providers.yookassa.api import Api
from providers.yookassa.receipts import TAX_CODES
from providers.yookassa.responses import Payment, Refund
from runtime.settings import Settings

#: Their clock and ours differ: so much earlier a payment is looked for.
CLOCKS_DIFFER: Final = timedelta(minutes=1)


class YooKassa(Provider):
    """One shop at YooKassa.

    ``Idempotence-Key`` is our operation's id, the same on every attempt; YooKassa remembers it for 24 hours. It is
    YooKassa that names the payment. Until its name has reached us it is found by our operation's id, which it carries
    in its metadata; so is a refund.

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
    capabilities: ClassVar[Capabilities] = Capabilities(
        two_stage="request",
        partial_capture=True,
        asynchronous_refunds=True,
        saved_methods=True,
        rollback=False,
        lists=True,
        idempotency=timedelta(hours=24),
        hold=timedelta(days=7),
        minimum={},
        currencies=frozenset({"RUB"}),
        day=MOSCOW,
    )

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.provider_timeout_s
        self._taxes = TAX_CODES | settings.yookassa_tax_codes
        self._addresses = webhook.Addresses(settings.yookassa_addresses or webhook.PUBLISHED)
        self._api = Api(
            settings.yookassa_url,
            settings.yookassa_shop_id,
            settings.yookassa_secret_key.get_secret_value(),
            self._timeout_s,
            settings.provider_concurrency,
        )

    async def start(self) -> None:
        await self._api.start()

    async def close(self) -> None:
        await self._api.close()

    async def perform(self, request: ProviderRequest) -> CallResult:
        return await conclude(self, request, self._perform, self._timeout_s)

    async def verify_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        peer: str | None = None,
    ) -> VerifiedCallback:
        return webhook.verify(body, peer, self._addresses)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return webhook.parse(body)

    def statement(self, day: date) -> AsyncIterator[StatementLine]:
        return statement_errors(self._lines(*self.capabilities.business_day(day)))

    async def _lines(self, start: datetime, end: datetime) -> AsyncIterator[StatementLine]:
        async for payment in self._api.captured(start, end):
            if (line := responses.charge_line(payment)) is not None:
                yield line
        async for refund in self._api.refunded(start, end):
            if (line := responses.refund_line(refund)) is not None:
                yield line

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
        # Success would say that everything is given back; other refunds may be under way. This one is done.
        done = ObservedOperation(
            OperationType.REFUND, OperationStatus.SUCCESS, request.operation_id, result.provider_ref, request.amount
        )
        return CallResult(Outcome.PENDING, result.provider_ref, observed=Observation(operations=(done,)))

    async def _find(self, request: ProviderRequest) -> Payment | None:
        """The payment, by its name or, until we know that, by the operation that opened it."""
        if request.order_ref != str(request.operation_id):
            try:
                return await self._api.payment(request.order_ref)
            except CallEnded as ended:
                if ended.result.reason != Reason.ORDER_NOT_FOUND:
                    raise
        if request.opened_at is None:
            raise CallEnded(CallResult(Outcome.UNKNOWN, reason=Reason.NOT_NAMED))
        return await self._api.find_payment(request.order_ref, request.opened_at - CLOCKS_DIFFER)
