"""Yandex Pay's settings."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from providers.settings import ProviderSettings


class YandexPayCallbackSettings(ProviderSettings):
    """What verifies Yandex Pay's webhook: the keys that it publishes, and whose events we take."""

    model_config = SettingsConfigDict(env_prefix="BILLING_YANDEX_PAY_")

    REAL_HOSTS = frozenset({"pay.yandex.ru"})
    ACCOUNT = ("merchant_id",)

    url: str = "https://pay.yandex.ru"
    """Base URL of Yandex Pay (its sandbox: https://sandbox.pay.yandex.ru)."""
    merchant_id: str = ""


class YandexPaySettings(YandexPayCallbackSettings):
    """One merchant at Yandex Pay."""

    api_key: SecretStr = SecretStr("")
    tax_codes: dict[str, int] = Field(default_factory=dict)
    """Overrides and additions to the tax code table, as JSON: {"vat22": 1}. Yandex' published codes end at 20 %."""
    registers_url: str = ""
    """Base URL of the console's registers, ``<url>/<YYYY-MM-DD>.csv``. Empty: there are none."""
