"""Yandex Pay's settings."""

import msgspec
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from billing.vocabulary import CaptureMode
from providers.base import Capabilities
from providers.settings import ProviderSettings


class YandexPayCallbackSettings(ProviderSettings):
    """What ingest needs of Yandex Pay: the keys that it publishes, whose events we take, and how the merchant is set up."""

    model_config = SettingsConfigDict(env_prefix="BILLING_YANDEX_PAY_")

    REAL_HOSTS = frozenset({"pay.yandex.ru"})
    ACCOUNT = ("merchant_id",)

    url: str = "https://pay.yandex.ru"
    """Base URL of Yandex Pay (its sandbox: https://sandbox.pay.yandex.ru)."""
    merchant_id: str = ""
    capture_mode: CaptureMode = CaptureMode.ONE_STAGE
    """How the merchant is set up at Yandex Pay: there it holds for all payments, so those of the other mode are refused."""

    def narrow(self, capabilities: Capabilities) -> Capabilities:
        return msgspec.structs.replace(super().narrow(capabilities), capture_modes=frozenset({self.capture_mode}))


class YandexPaySettings(YandexPayCallbackSettings):
    """One merchant at Yandex Pay."""

    api_key: SecretStr = SecretStr("")
    tax_codes: dict[str, int] = Field(default_factory=dict)
    """Overrides and additions to the tax code table, as JSON: {"vat22": 11}."""
    registers_url: str = ""
    """Base URL of the console's registers, ``<url>/<YYYY-MM-DD>.csv``. Empty: there are none."""
    registers_map: str = ""
    """The file (TOML) that says what the registers' columns mean. Empty: ``providers/registers/maps/yandex_pay.toml``."""

    @property
    def map_name(self) -> str:
        """What the registers' columns mean: a file, or the name of a map of ours."""
        return self.registers_map or "yandex_pay"
