"""The providers that the sandbox imitates. Adding one is a folder and a line here."""

from providers.sandbox.context import Scene
from providers.sandbox.imitation import Imitation
from providers.sandbox.stripe import StripeImitation
from providers.sandbox.tbank import TBankImitation
from providers.sandbox.yandex_pay import YandexPayImitation
from providers.sandbox.yookassa import YooKassaImitation


def build(scene: Scene) -> dict[str, Imitation]:
    """Every imitation by its provider's name."""
    imitations: tuple[Imitation, ...] = (
        YandexPayImitation(scene),
        YooKassaImitation(scene),
        StripeImitation(scene),
        TBankImitation(scene),
    )
    return {imitation.name: imitation for imitation in imitations}
