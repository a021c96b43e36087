"""Which settings of providers a process refuses to start with."""

import json
from typing import Any

import pytest

from ingest_api.server import build_dependencies
from providers import registry
from providers.startup_check import ProvidersRefused
from runtime.settings import Settings

REAL = {
    "YANDEX_PAY_URL": "https://pay.yandex.ru", "YANDEX_PAY_MERCHANT_ID": "m-1", "YANDEX_PAY_API_KEY": "key",
    "YOOKASSA_URL": "https://api.yookassa.ru/v3", "YOOKASSA_SHOP_ID": "17", "YOOKASSA_SECRET_KEY": "live_key",
    "STRIPE_URL": "https://api.stripe.com", "STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRETS": '["whsec_1"]',
    "TBANK_URL": "https://securepay.tinkoff.ru", "TBANK_TERMINAL_KEY": "17", "TBANK_PASSWORD": "password",
}  # fmt: skip
SANDBOX = {
    "YANDEX_PAY_URL": "http://sandbox:8090/yandex-pay", "YANDEX_PAY_MERCHANT_ID": "6b2a9d0e-1c1f-4a53-9a54-5f3c0b7a1d10",
    "YANDEX_PAY_API_KEY": "sandbox-1",
    "YOOKASSA_URL": "http://sandbox:8090/yookassa/v3", "YOOKASSA_SHOP_ID": "506751", "YOOKASSA_SECRET_KEY": "sandbox-1",
    "YOOKASSA_ADDRESSES": '["10.0.0.0/8"]',
    "STRIPE_URL": "http://sandbox:8090/stripe", "STRIPE_SECRET_KEY": "sandbox-1",
    "STRIPE_WEBHOOK_SECRETS": '["sandbox-1"]',
    "TBANK_URL": "http://sandbox:8090/tbank", "TBANK_TERMINAL_KEY": "1700000000000DEMO", "TBANK_PASSWORD": "sandbox-1",
}  # fmt: skip


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(settings: dict[str, str]) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"BILLING_{name}", value)

    return give


@pytest.mark.parametrize("settings", [{}, REAL, SANDBOX], ids=["nothing", "real", "sandbox"])
def test_all_providers_are_real_or_none_is(given, settings: dict[str, str]) -> None:
    given(settings)

    assert set(registry.read_settings()) == set(registry.read_callback_settings()) == set(registry.PLUGINS)


@pytest.mark.parametrize("provider", ["YANDEX_PAY", "YOOKASSA", "STRIPE", "TBANK"])
def test_one_sandbox_beside_real_providers_is_refused(given, provider: str) -> None:
    given(REAL | {name: value for name, value in SANDBOX.items() if name.startswith(provider)})

    with pytest.raises(ProvidersRefused, match="would take real money beside"):
        registry.read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("YOOKASSA_SECRET_KEY", "test_key"),
        ("TBANK_TERMINAL_KEY", "1700000000001DEMO"),
        ("YANDEX_PAY_URL", "https://sandbox.pay.yandex.ru"),
    ],
)
def test_an_account_for_tests_beside_real_providers_is_refused(given, name: str, value: str) -> None:
    given(REAL | {name: value})

    with pytest.raises(ProvidersRefused, match="would take real money beside"):
        registry.read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_WEBHOOK_SECRETS", json.dumps(["whsec_1", "sandbox"])),
        ("STRIPE_SECRET_KEY", "sandbox"),
        ("YANDEX_PAY_API_KEY", "sandbox-5f"),
        ("YANDEX_PAY_MERCHANT_ID", SANDBOX["YANDEX_PAY_MERCHANT_ID"]),
        ("YOOKASSA_SECRET_KEY", "sandbox"),
        ("YOOKASSA_SHOP_ID", "506751"),
        ("YOOKASSA_ADDRESSES", '["185.71.76.0/27", "10.0.0.0/8"]'),
        ("TBANK_PASSWORD", "sandbox"),
    ],
)
def test_what_the_sandbox_is_set_up_with_is_refused_at_a_real_provider(given, name: str, value: str) -> None:
    given(REAL | {name: value})

    with pytest.raises(ProvidersRefused, match=f"BILLING_{name} is the sandbox's"):
        registry.read_settings()


@pytest.mark.parametrize("name", ["STRIPE_WEBHOOK_SECRETS", "TBANK_PASSWORD", "YANDEX_PAY_MERCHANT_ID"])
def test_ingest_refuses_them_with_the_settings_that_it_has(given, name: str) -> None:
    given(REAL | {name: SANDBOX[name]})

    with pytest.raises(ProvidersRefused, match=f"BILLING_{name} is the sandbox's"):
        registry.read_callback_settings()


def with_clocks() -> Settings:
    return Settings(test_clocks=True, postgres_url="postgresql://nobody@127.0.0.1:1/none")


def test_ingest_does_not_start_with_test_clocks_beside_a_real_provider(given) -> None:
    given({name: value for name, value in REAL.items() if name.startswith("TBANK")})

    with pytest.raises(ProvidersRefused, match="BILLING_TEST_CLOCKS is set, and tbank would take real money"):
        build_dependencies(with_clocks())


@pytest.mark.parametrize("settings", [{}, SANDBOX], ids=["nothing", "sandbox"])
def test_ingest_starts_with_test_clocks_where_no_provider_takes_money(given, settings: dict[str, str]) -> None:
    given(settings)

    assert build_dependencies(with_clocks()).settings.test_clocks


def test_a_provider_that_is_not_set_up_is_neither(given) -> None:
    given(REAL | {name: "" for name in REAL if name.startswith("TBANK") and not name.endswith("URL")})

    assert registry.read_settings()
