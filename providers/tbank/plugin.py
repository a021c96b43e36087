"""T-Bank's descriptor."""

from typing import Final

from pydantic import SecretStr

from providers.plugin import Body, CallbackRoute, ProviderPlugin, SandboxAddress
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.tbank.adapter import TBank
from providers.tbank.settings import TBankCallbackSettings, TBankSettings
from providers.tbank.webhook import WebhookVerifier

#: The sandbox' one terminal.
SANDBOX_TERMINAL: Final = "1700000000000DEMO"


def _verifier(settings: TBankCallbackSettings) -> WebhookVerifier:
    return WebhookVerifier(settings.terminal_key, settings.password.get_secret_value())


def _imitation(settings: TBankSettings, context: SandboxContext) -> Imitation:
    from providers.sandbox.tbank import TBankImitation  # noqa: PLC0415 - only the sandbox loads it

    return TBankImitation(settings, context)


def _sandbox_settings(address: SandboxAddress) -> TBankSettings:
    return TBankSettings(
        url=f"{address.url}/tbank",
        registers_url=address.registers("tbank"),
        terminal_key=SANDBOX_TERMINAL,
        password=SecretStr(address.secret("tbank")),
    )


PLUGIN: Final = ProviderPlugin(
    name=TBank.name,
    title="T-Bank",
    capabilities=TBank.capabilities,
    callback=CallbackRoute(
        path="",
        description="Signed with the terminal's password in the member `Token`.",
        request=Body({"TerminalKey": SANDBOX_TERMINAL, "OrderId": "1", "Token": "0" * 64}),
        stored=Body("OK", "text/plain", const="OK"),
        refusals={403: Body({"error": "the token is wrong"})},
    ),
    callback_settings=TBankCallbackSettings,
    settings=TBankSettings,
    verifier=_verifier,
    provider=TBank,
    imitation=_imitation,
    sandbox_settings=_sandbox_settings,
)
