"""The providers we have, each under its name."""

from pathlib import Path

import pytest

from providers import registry
from providers.base import Provider
from providers.http import CallLimits
from providers.sandbox.context import SandboxContext
from providers.sandbox.faults import Faults
from providers.sandbox.ledger import ProviderLedger
from providers.sandbox.statements import Statements


def test_every_provider_is_found_by_its_name() -> None:
    providers = registry.build_providers(registry.read_settings(), CallLimits(1.0, 1))

    assert set(providers) == {"yandex-pay", "yookassa", "stripe", "tbank"}
    assert all(isinstance(provider, Provider) and provider.name == name for name, provider in providers.items())


def test_every_provider_is_imitated_and_calls_back_where_ingest_listens(tmp_path: Path) -> None:
    ledger = ProviderLedger(tmp_path / "book.sqlite")
    faults = Faults()
    statements = Statements(ledger.movements, faults)
    context = SandboxContext(ledger, statements, faults, lambda _: None, lambda _: None, lambda *_: None, str)
    for name, settings in registry.read_settings().items():
        plugin = registry.PLUGINS[name]
        imitation = plugin.imitation(settings, context)
        assert (imitation.name, imitation.callback_path) == (name, plugin.callback.path)
    ledger.close()


@pytest.mark.parametrize("mode", ["ONE_STAGE", "TWO_STAGE"])
def test_a_merchant_of_one_capture_mode_is_not_among_the_providers_of_either(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_YANDEX_PAY_CAPTURE_MODE", mode)
    assert registry.in_either_capture_mode() == ["yookassa", "stripe", "tbank"]
