"""Stripe's settings."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from providers.settings import ProviderSettings


class StripeCallbackSettings(ProviderSettings):
    """What verifies Stripe's events."""

    model_config = SettingsConfigDict(env_prefix="BILLING_STRIPE_")

    REAL_HOSTS = frozenset({"api.stripe.com"})

    url: str = "https://api.stripe.com"
    webhook_secrets: list[SecretStr] = Field(default_factory=list)
    """Signing secrets of the webhook endpoint, as JSON: while one is being replaced, the old and the new."""


class StripeSettings(StripeCallbackSettings):
    """One account at Stripe."""

    secret_key: SecretStr = SecretStr("")

    @property
    def is_for_tests(self) -> bool:
        """Stripe's test mode."""
        return self.secret_key.get_secret_value().startswith(("sk_test_", "rk_test_"))
