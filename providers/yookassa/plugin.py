"""YooKassa's descriptor."""

from typing import Final

from pydantic import SecretStr

from providers.plugin import Body, CallbackRoute, ProviderPlugin, SandboxAddress
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.yookassa.adapter import YooKassa
from providers.yookassa.settings import YooKassaCallbackSettings, YooKassaSettings
from providers.yookassa.webhook import PUBLISHED, WebhookVerifier

#: The sandbox' one shop.
SANDBOX_SHOP: Final = "506751"


def _verifier(settings: YooKassaCallbackSettings) -> WebhookVerifier:
    return WebhookVerifier(settings.addresses or PUBLISHED)


def _imitation(settings: YooKassaSettings, context: SandboxContext) -> Imitation:
    from providers.sandbox.yookassa import YooKassaImitation  # noqa: PLC0415 - only the sandbox loads it

    return YooKassaImitation(settings, context)


def _sandbox_settings(address: SandboxAddress) -> YooKassaSettings:
    return YooKassaSettings(
        url=f"{address.url}/yookassa/v3",
        shop_id=SANDBOX_SHOP,
        secret_key=SecretStr(address.secret("yookassa")),
        addresses=list(address.networks),
    )


PLUGIN: Final = ProviderPlugin(
    name=YooKassa.name,
    title="YooKassa",
    capabilities=YooKassa.capabilities,
    callback=CallbackRoute(
        path="",
        description="Not signed: accepted from YooKassa's addresses only, and confirmed by a query to the provider before "
        "money moves.",
        request=Body(
            {
                "type": "notification",
                "event": "payment.succeeded",
                "object": {"id": "22d6d597-000f-5000-9000-145f6df21d6f", "status": "succeeded", "paid": True},
            }
        ),
        stored=Body({}),
        refusals={
            400: Body({"error": "not a notification"}),
            403: Body({"error": "the sender is not on the list"}),
        },
    ),
    callback_settings=YooKassaCallbackSettings,
    settings=YooKassaSettings,
    verifier=_verifier,
    provider=YooKassa,
    imitation=_imitation,
    sandbox_settings=_sandbox_settings,
)
