"""The Yandex Pay adapter: merchant API v1 (orders, capture, cancel, rollback, operations) and v2 (refund)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import aiohttp
import msgspec
import structlog

from billing.messages import ProviderRequest
from billing.settings import Settings
from billing.vocabulary import Action, Outcome
from providers.base import CallResult, ParsedCallback, Provider, VerifiedCallback
from providers.http import failed
from providers.yandex_pay import answers, bodies
from providers.yandex_pay.webhook import WebhookVerifier, parse

log = structlog.get_logger(__name__)

API: Final = "/api/merchant"
#: Getting a connection must not eat up the deadline of the call, seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: The API refuses a shorter X-Request-Timeout, milliseconds.
MIN_REQUEST_TIMEOUT_MS: Final = 1000

_encoder = msgspec.json.Encoder()


class YandexPay(Provider):
    """One merchant at Yandex Pay. ``X-Request-Id`` (the idempotency of writes) is our operation's id."""

    name: ClassVar[str] = "yandex-pay"

    def __init__(self, settings: Settings) -> None:
        self._base = settings.yandex_pay_url.rstrip("/")
        self._timeout_s = settings.provider_timeout_s
        self._connections = settings.provider_concurrency
        self._taxes = bodies.TAX_CODES | settings.yandex_pay_tax_codes
        self._headers = {
            "Authorization": f"Api-Key {settings.yandex_pay_api_key.get_secret_value()}",
            "Content-Type": "application/json",
            "X-Request-Timeout": str(max(MIN_REQUEST_TIMEOUT_MS, round(self._timeout_s * 1000))),
            "X-Request-Attempt": "0",
        }
        self._webhook = WebhookVerifier(f"{self._base}/api/jwks", settings.yandex_pay_merchant_id)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._webhook.session = self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def perform(self, request: ProviderRequest) -> CallResult:
        try:
            method, path, body = self._express(request)
        except bodies.Inexpressible as problem:
            return CallResult(Outcome.DECLINED, reason=problem.reason)
        result = await self._call(request, method, path, body)
        if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.DECLINED):
            log.warning(
                "yandex pay",
                action=request.action,
                operation=str(request.operation_id),
                outcome=result.outcome,
                reason=result.reason,
            )
        return result

    async def verify_callback(self, headers: Mapping[str, str], body: bytes) -> VerifiedCallback:  # noqa: ARG002
        return await self._webhook.verify(body)

    def parse_callback(self, body: bytes) -> ParsedCallback:
        return parse(body)

    def _express(self, request: ProviderRequest) -> tuple[str, str, dict[str, Any] | None]:
        order = f"{API}/v1/orders/{request.order_ref}"
        match request.action:
            case Action.CREATE:
                return "POST", f"{API}/v1/orders", bodies.create(request, self._taxes)
            case Action.CAPTURE:
                return "POST", f"{order}/capture", bodies.capture(request)
            case Action.VOID:
                return "POST", f"{order}/cancel", bodies.cancel(request)
            case Action.REFUND:
                return "POST", f"{API}/v2/orders/{request.order_ref}/refund", bodies.refund(request)
            case Action.ROLLBACK:
                return "POST", f"{order}/rollback", {}
            case Action.INQUIRE:
                return "GET", order, None
            case _:
                raise bodies.Inexpressible("unsupported")

    async def _call(self, request: ProviderRequest, method: str, path: str, body: dict[str, Any] | None) -> CallResult:
        assert self._session is not None, "start() comes first"
        data = None if body is None else _encoder.encode(body)
        headers = {**self._headers, "X-Request-Id": str(request.operation_id)}
        try:
            async with self._session.request(
                method, self._base + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return failed(error)
        return answers.result(request.action, request.currency, response.status, content, request.order_ref)
