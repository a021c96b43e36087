"""T-Bank's settings."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from providers.settings import ProviderSettings


class TBankCallbackSettings(ProviderSettings):
    """What verifies T-Bank's notifications. One password signs both ways."""

    model_config = SettingsConfigDict(env_prefix="BILLING_TBANK_")

    REAL_HOSTS = frozenset({"securepay.tinkoff.ru"})
    ACCOUNT = ("terminal_key",)

    url: str = "https://securepay.tinkoff.ru"
    terminal_key: str = ""
    password: SecretStr = SecretStr("")

    @property
    def is_for_tests(self) -> bool:
        """The bank's terminal for tests: its key ends in ``DEMO``."""
        return self.terminal_key.endswith("DEMO")


class TBankSettings(TBankCallbackSettings):
    """One terminal at T-Bank."""

    registers_url: str = ""
    """Base URL of the console's registers, ``<url>/<YYYY-MM-DD>.csv``. Empty: there are none."""
    registers_map: str = ""
    """The file (TOML) that says what the registers' columns mean. Empty: ``providers/registers/maps/tbank.toml``."""
    taxation: str = "osn"
    """The shop's system of taxation, as receipts name it: osn, usn_income, usn_income_outcome, esn, patent."""
    tax_codes: dict[str, str] = Field(default_factory=dict)
    """Overrides and additions to the tax code table, as JSON: {"vat22": "vat22"}."""

    @property
    def map_name(self) -> str:
        """What the registers' columns mean: a file, or the name of a map of ours."""
        return self.registers_map or "tbank"
