"""Yandex Pay's descriptor."""

from typing import Final

from pydantic import SecretStr

from providers.plugin import Body, CallbackRoute, ProviderPlugin, SandboxAddress
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.yandex_pay.adapter import YandexPay
from providers.yandex_pay.keys import Keys
from providers.yandex_pay.settings import YandexPayCallbackSettings, YandexPaySettings
from providers.yandex_pay.webhook import WebhookVerifier

#: The sandbox' one merchant.
SANDBOX_MERCHANT: Final = "6b2a9d0e-1c1f-4a53-9a54-5f3c0b7a1d10"


def _verifier(settings: YandexPayCallbackSettings) -> WebhookVerifier:
    return WebhookVerifier(Keys(f"{settings.url.rstrip('/')}/api/jwks"), settings.merchant_id)


def _imitation(settings: YandexPaySettings, context: SandboxContext) -> Imitation:
    from providers.sandbox.yandex_pay import YandexPayImitation  # noqa: PLC0415 - only the sandbox loads it

    return YandexPayImitation(settings, context)


def _sandbox_settings(address: SandboxAddress) -> YandexPaySettings:
    return YandexPaySettings(
        url=f"{address.url}/yandex-pay",
        merchant_id=SANDBOX_MERCHANT,
        api_key=SecretStr(address.secret("yandex-pay")),
        registers_url=address.registers("yandex-pay"),
    )


def _failure(code: str, reason: str) -> Body:
    return Body({"status": "fail", "reasonCode": code, "reason": reason})


PLUGIN: Final = ProviderPlugin(
    name=YandexPay.name,
    title="Yandex Pay",
    capabilities=YandexPay.capabilities,
    callback=CallbackRoute(
        path="/v1/webhook",  # Yandex Pay appends it to the URL that it is given
        description="A token (JWT, ES256) signed with one of the keys that Yandex Pay publishes.",
        request=Body("eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJ9.c2ln", "application/octet-stream"),
        stored=Body({"status": "success"}),
        refusals={
            403: _failure("FORBIDDEN", "the signature does not match"),
            503: _failure("OTHER", "the keys are not available"),
        },
    ),
    callback_settings=YandexPayCallbackSettings,
    settings=YandexPaySettings,
    verifier=_verifier,
    provider=YandexPay,
    imitation=_imitation,
    sandbox_settings=_sandbox_settings,
)
