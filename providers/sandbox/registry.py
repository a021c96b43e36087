"""The providers that the sandbox imitates. Adding one is a folder and a line here."""

from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.sandbox.stripe import StripeImitation
from providers.sandbox.tbank import TBankImitation
from providers.sandbox.yandex_pay import YandexPayImitation
from providers.sandbox.yookassa import YooKassaImitation


def build(context: SandboxContext) -> dict[str, Imitation]:
    """Every imitation by its provider's name."""
    imitations: tuple[Imitation, ...] = (
        YandexPayImitation(context),
        YooKassaImitation(context),
        StripeImitation(context),
        TBankImitation(context),
    )
    return {imitation.name: imitation for imitation in imitations}
