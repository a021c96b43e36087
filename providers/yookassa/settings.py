"""YooKassa's settings."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from providers.settings import ProviderSettings


class YooKassaCallbackSettings(ProviderSettings):
    """What verifies YooKassa's notifications."""

    model_config = SettingsConfigDict(env_prefix="BILLING_YOOKASSA_")

    REAL_HOSTS = frozenset({"api.yookassa.ru"})
    ACCOUNT = ("shop_id",)

    url: str = "https://api.yookassa.ru/v3"
    shop_id: str = ""
    addresses: list[str] = Field(default_factory=list)
    """Who may send notifications, as JSON: addresses and networks. Empty: the list that YooKassa publishes."""


class YooKassaSettings(YooKassaCallbackSettings):
    """One shop at YooKassa."""

    secret_key: SecretStr = SecretStr("")
    tax_codes: dict[str, int] = Field(default_factory=dict)
    """Overrides and additions to the tax code table, as JSON: {"vat22": 11}."""

    @property
    def is_for_tests(self) -> bool:
        """A shop for tests: its key begins with ``test_``."""
        return self.secret_key.get_secret_value().startswith("test_")
