"""The providers we have. Adding one is a folder and a line here."""

from providers.base import Provider
from providers.stripe import Stripe
from providers.tbank import TBank
from providers.yandex_pay import YandexPay
from providers.yookassa import YooKassa
from runtime.settings import Settings


def build(settings: Settings) -> dict[str, Provider]:
    """Every provider by its name, not started."""
    providers: tuple[Provider, ...] = (
        YandexPay(settings),
        YooKassa(settings),
        Stripe(settings),
        TBank(settings),
    )
    return {provider.name: provider for provider in providers}
