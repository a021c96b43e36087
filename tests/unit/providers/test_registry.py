"""The providers we have, each under its name."""

from ingest_api.webhooks.endpoint import CALLBACK_PATHS
from providers.base import Provider
from providers.registry import build
from providers.sandbox.stripe import StripeImitation
from providers.sandbox.tbank import TBankImitation
from providers.sandbox.yandex_pay import YandexPayImitation
from providers.sandbox.yookassa import YooKassaImitation
from runtime.settings import Settings


def test_every_provider_is_found_by_its_name() -> None:
    providers = build(Settings())

    assert set(providers) == {"yandex-pay", "yookassa", "stripe", "tbank"}
    assert all(isinstance(provider, Provider) and provider.name == name for name, provider in providers.items())


def test_every_provider_is_imitated_and_is_called_back_where_ingest_listens() -> None:
    imitations = (YandexPayImitation, YooKassaImitation, StripeImitation, TBankImitation)
    appended = {cls.name: cls.callback_path for cls in imitations}
    assert set(appended) == set(build(Settings()))
    assert appended == CALLBACK_PATHS
