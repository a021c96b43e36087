"""The Yandex Pay adapter: merchant API v1 (orders, capture, cancel, rollback) and v2 (refund)."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from typing import ClassVar

from billing.messages import Observation, ProviderRequest
from billing.reasons import Reason
from billing.vocabulary import Action, Outcome
from providers.base import (
    CallResult,
    Capabilities,
    ParsedCallback,
)
from providers.http import CallEnded, CallLimits, HttpProvider
from providers.registers import Register, load_map
from providers.settlement import MOSCOW, Settlement
from providers.statements import Part, StatementPage
from providers.yandex_pay import requests, responses
from providers.yandex_pay.api import Api
from providers.yandex_pay.settings import YandexPaySettings
from providers.yandex_pay.webhook import parse


class YandexPay(HttpProvider):
    """One merchant at Yandex Pay.

    ``X-Request-Id``, on which Yandex Pay bases the idempotency of writes, is our operation's id, the same on every
    attempt; so is ``externalOperationId`` of captures, voids and refunds. The order's id is ``request.order_ref``.

    ========  =====================================  ==========================================================
    CREATE    POST v1/orders, or v1/subscriptions    PENDING with ``payment_url``
    RECUR     POST v1/subscriptions/recur            PENDING until a callback or an inquiry
    CAPTURE   POST v1/orders/{id}/capture            as the operation in the answer: SUCCEEDED, PENDING, DECLINED
    VOID      POST v1/orders/{id}/cancel             likewise
    REFUND    POST v2/orders/{id}/refund             PENDING until a callback or an inquiry
    ROLLBACK  POST v1/orders/{id}/rollback           SUCCEEDED
    INQUIRE   GET v1/orders/{id}                     SUCCEEDED with the observation; for an order that Yandex Pay does
                                                     not have, one without a status, and reason ``order_not_found``
    ========  =====================================  ==========================================================

    Two stages are a setting of the merchant at Yandex Pay, so ``request.capture_mode`` is not sent: payments of the other
    mode are declined without a call, ``unsupported_capture_mode``. A method is saved by
    opening the order as a subscription, and the id of that order identifies it. Until its customer has paid, a charge is
    declined. Outcomes of calls without a usable answer: :mod:`providers.http`; of refusals: :mod:`providers.yandex_pay.responses`.
    """

    name: ClassVar[str] = "yandex-pay"
    capabilities = Capabilities(
        currencies=frozenset({"RUB"}),
        settlement=Settlement(
            zone=MOSCOW,
            source="file",
            ready_after=timedelta(hours=12),
            absent_after=timedelta(hours=36),
            reread=3,
            late=2,
            late_refunds=5,
        ),
        minimum={"RUB": 100},
    )

    def __init__(self, settings: YandexPaySettings, limits: CallLimits) -> None:
        self.capabilities = settings.narrow(type(self).capabilities)
        self._taxes = requests.TAX_CODES | settings.tax_codes
        self._register = Register(settings.registers_url, load_map(settings.map_name))
        self._api = Api(settings.url, settings.api_key.get_secret_value(), limits)
        super().__init__(self._api, limits)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return parse(body)

    def parts(self, day: date) -> Sequence[Part]:
        return self._register.parts(day)

    def pages(self, part: Part, after: str | None = None) -> AsyncIterator[StatementPage]:
        return self._register.pages(self._api.session, part, after)

    async def _perform(self, request: ProviderRequest) -> CallResult:
        id, order = request.operation_id, f"/v1/orders/{request.order_ref}"
        match request.action:
            case Action.CREATE if request.save_method:
                body = requests.subscribe(request, self._taxes)
                return responses.opened(await self._api.post("/v1/subscriptions", id, body), request.order_ref)
            case Action.CREATE:
                body = requests.create(request, self._taxes)
                return responses.opened(await self._api.post("/v1/orders", id, body), request.order_ref)
            case Action.RECUR:
                body = requests.recur(request, self._taxes)
                return responses.charged(await self._api.post("/v1/subscriptions/recur", id, body), request.order_ref)
            case Action.CAPTURE:
                body = requests.capture(request, self._taxes)
                return responses.operated(await self._api.post(f"{order}/capture", id, body), request.currency)
            case Action.VOID:
                body = requests.cancel(request)
                return responses.operated(await self._api.post(f"{order}/cancel", id, body), request.currency)
            case Action.REFUND:
                path, body = f"/v2/orders/{request.order_ref}/refund", requests.refund(request)
                return responses.operated(await self._api.post(path, id, body), request.currency)
            case Action.ROLLBACK:
                await self._api.post(f"{order}/rollback", id, {})
                return CallResult(Outcome.SUCCEEDED)
            case Action.INQUIRE:
                return await self._inquire(request)

    async def _inquire(self, request: ProviderRequest) -> CallResult:
        try:
            data = await self._api.order(request.order_ref, request.operation_id)
        except CallEnded as ended:
            if ended.result.reason == Reason.ORDER_NOT_FOUND:
                return CallResult(Outcome.SUCCEEDED, reason=Reason.ORDER_NOT_FOUND, observed=Observation())
            raise
        return responses.inquired(data, request)
