"""The providers we have, and their shared vocabulary of declines."""

import pytest

from ingest_api.webhooks.endpoint import CALLBACK_PATHS
from providers.base import Provider
from providers.declines import REASONS, is_retryable
from providers.registry import build
from providers.sandbox.stripe import StripeImitation
from providers.sandbox.tbank import TBankImitation
from providers.sandbox.yandex_pay import YandexPayImitation
from providers.sandbox.yookassa import YooKassaImitation
from providers.yandex_pay.responses import DECLINES
from providers.yookassa import responses as yookassa
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


@pytest.mark.parametrize(
    "reason",
    sorted(
        {
            *DECLINES.values(),
            *yookassa.DECLINES.values(),
            *yookassa.ERRORS.values(),
            "declined",
            "unsupported",
            "unsupported_tax",
        }
    ),
)
def test_every_decline_reason_says_what_helps(reason: str) -> None:
    assert reason in REASONS


@pytest.mark.parametrize(
    ("reason", "retryable"),
    [("insufficient_funds", True), ("issuer_unavailable", True), ("card_expired", False), ("fraud_suspected", False)],
)
def test_a_decline_is_retried_without_the_customer_only_where_time_helps(reason: str, retryable: bool) -> None:
    assert is_retryable(reason) is retryable
