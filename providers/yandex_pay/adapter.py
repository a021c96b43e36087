"""The Yandex Pay adapter: merchant API v1 (orders, capture, cancel, rollback) and v2 (refund)."""

from collections.abc import AsyncIterator, Mapping
from datetime import date
from typing import Any, ClassVar, Final

import aiohttp
import msgspec

from billing.messages import ProviderRequest
from billing.vocabulary import Action
from providers import statements
from providers.base import (
    MOSCOW,
    CallResult,
    Capabilities,
    ParsedCallback,
    Provider,
    StatementLine,
    VerifiedCallback,
)
from providers.http import conclude, open_session, statement_errors
from providers.yandex_pay import requests, responses
from providers.yandex_pay.keys import Keys
from providers.yandex_pay.webhook import WebhookVerifier, parse
from runtime.settings import Settings

API: Final = "/api/merchant"
#: The documents advise against a shorter X-Request-Timeout, milliseconds.
MIN_REQUEST_TIMEOUT_MS: Final = 1000

_encode = msgspec.json.Encoder().encode


class YandexPay(Provider):
    """One merchant at Yandex Pay.

    ``X-Request-Id``, on which Yandex Pay bases the idempotency of writes, is our operation's id, the same on every
    attempt; so is ``externalOperationId`` of captures, voids and refunds. The order's id is ``request.order_ref``.

    ========  =====================================  ==========================================================
    CREATE    POST v1/orders, or v1/subscriptions    PENDING with ``payment_url``
    RECUR     POST v1/subscriptions/recur            PENDING: a callback or an inquiry tells
    CAPTURE   POST v1/orders/{id}/capture            as the operation in the answer: SUCCEEDED, PENDING, DECLINED
    VOID      POST v1/orders/{id}/cancel             likewise
    REFUND    POST v2/orders/{id}/refund             PENDING: asynchronous, a callback or an inquiry tells
    ROLLBACK  POST v1/orders/{id}/rollback           SUCCEEDED
    INQUIRE   GET v1/orders/{id}                     SUCCEEDED with the observation; for an order that Yandex Pay does
                                                     not have, one without a status, and reason ``order_not_found``
    ========  =====================================  ==========================================================

    Two stages are a setting of the merchant at Yandex Pay, so ``request.capture_mode`` is not sent. A method is saved by
    opening the order as a subscription, and goes by the id of that order from then on; until its customer has paid it
    there is nothing to charge, and a charge is declined. Outcomes of calls
    without a usable answer: :mod:`providers.http`; of refusals: :mod:`providers.yandex_pay.responses`.
    """

    name: ClassVar[str] = "yandex-pay"
    capabilities: ClassVar[Capabilities] = Capabilities(
        two_stage="merchant",
        partial_capture=True,
        asynchronous_refunds=True,
        saved_methods=True,
        rollback=True,
        lists=False,
        idempotency=None,
        hold=None,
        minimum={"RUB": 100},
        currencies=frozenset({"RUB"}),
        day=MOSCOW,
    )

    def __init__(self, settings: Settings) -> None:
        self._base = settings.yandex_pay_url.rstrip("/")
        self._timeout_s = settings.provider_timeout_s
        self._connections = settings.provider_concurrency
        self._taxes = requests.TAX_CODES | settings.yandex_pay_tax_codes
        self._headers = {
            "Authorization": f"Api-Key {settings.yandex_pay_api_key.get_secret_value()}",
            "Content-Type": "application/json",
            "X-Request-Timeout": str(max(MIN_REQUEST_TIMEOUT_MS, round(self._timeout_s * 1000))),
            "X-Request-Attempt": "0",
        }
        self._registers_url = settings.yandex_pay_registers_url
        self._keys = Keys(f"{self._base}/api/jwks")
        self._webhook = WebhookVerifier(self._keys, settings.yandex_pay_merchant_id)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = open_session(self._timeout_s, self._connections)
        self._keys.session = self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def perform(self, request: ProviderRequest) -> CallResult:
        return await conclude(self, request, self._perform, self._timeout_s)

    async def verify_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        peer: str | None = None,  # noqa: ARG002
    ) -> VerifiedCallback:
        return await self._webhook.verify(body)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return parse(body)

    def statement(self, day: date) -> AsyncIterator[StatementLine]:
        assert self._session is not None, "start() comes first"
        return statement_errors(statements.read(self._session, self._registers_url, day))

    def _express(self, request: ProviderRequest) -> tuple[str, str, dict[str, Any] | None]:
        order = f"{API}/v1/orders/{request.order_ref}"
        match request.action:
            case Action.CREATE if request.save_method:
                return "POST", f"{API}/v1/subscriptions", requests.subscribe(request, self._taxes)
            case Action.CREATE:
                return "POST", f"{API}/v1/orders", requests.create(request, self._taxes)
            case Action.RECUR:
                return "POST", f"{API}/v1/subscriptions/recur", requests.recur(request, self._taxes)
            case Action.CAPTURE:
                return "POST", f"{order}/capture", requests.capture(request, self._taxes)
            case Action.VOID:
                return "POST", f"{order}/cancel", requests.cancel(request)
            case Action.REFUND:
                return "POST", f"{API}/v2/orders/{request.order_ref}/refund", requests.refund(request)
            case Action.ROLLBACK:
                return "POST", f"{order}/rollback", {}
            case Action.INQUIRE:
                return "GET", order, None

    async def _perform(self, request: ProviderRequest) -> CallResult:
        assert self._session is not None, "start() comes first"
        method, path, body = self._express(request)
        data = None if body is None else _encode(body)
        headers = {**self._headers, "X-Request-Id": str(request.operation_id)}
        # A redirected POST would arrive as a GET: it counts as no answer instead.
        async with self._session.request(
            method, self._base + path, data=data, headers=headers, allow_redirects=False
        ) as response:
            content = await response.read()
        return responses.result(request, response.status, response.headers, content)
