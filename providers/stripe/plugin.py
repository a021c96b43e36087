"""Stripe's descriptor."""

from typing import Final

from pydantic import SecretStr

from providers.plugin import Body, CallbackRoute, ProviderPlugin, SandboxAddress
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.stripe.adapter import Stripe
from providers.stripe.settings import StripeCallbackSettings, StripeSettings
from providers.stripe.webhook import WebhookVerifier


def _verifier(settings: StripeCallbackSettings) -> WebhookVerifier:
    return WebhookVerifier([secret.get_secret_value() for secret in settings.webhook_secrets])


def _imitation(settings: StripeSettings, context: SandboxContext) -> Imitation:
    from providers.sandbox.stripe import StripeImitation  # noqa: PLC0415 - only the sandbox loads it

    return StripeImitation(settings, context)


def _sandbox_settings(address: SandboxAddress) -> StripeSettings:
    return StripeSettings(
        url=f"{address.url}/stripe",
        secret_key=SecretStr(address.secret("stripe")),
        webhook_secrets=[SecretStr(address.secret("stripe-webhook"))],
    )


PLUGIN: Final = ProviderPlugin(
    name=Stripe.name,
    title="Stripe",
    capabilities=Stripe.capabilities,
    callback=CallbackRoute(
        path="",
        description="Signed with the endpoint's secret in `Stripe-Signature`.",
        request=Body({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}),
        stored=Body({"received": True}),
        refusals={400: Body({"error": "no signature matches"})},
        headers={"Stripe-Signature": "`t=<time>,v1=<signature>`"},
    ),
    callback_settings=StripeCallbackSettings,
    settings=StripeSettings,
    verifier=_verifier,
    provider=Stripe,
    imitation=_imitation,
    sandbox_settings=_sandbox_settings,
)
