"""The providers we have. Adding one is a folder and a line here."""

from collections.abc import Mapping
from typing import Any, Final

from billing.vocabulary import CaptureMode
from providers import stripe, tbank, yandex_pay, yookassa
from providers.base import CallbackVerifier, Capabilities, Provider
from providers.http import CallLimits
from providers.plugin import ProviderPlugin, SandboxAddress
from providers.settings import ProviderSettings
from providers.settlement import Settlement
from providers.startup_check import require_one_world

_ALL: Final[tuple[ProviderPlugin[Any, Any], ...]] = (
    yandex_pay.PLUGIN,
    yookassa.PLUGIN,
    stripe.PLUGIN,
    tbank.PLUGIN,
)
#: Name → provider. Without routing rules a payment goes to the first that takes it, in this order.
PLUGINS: Final[Mapping[str, ProviderPlugin[Any, Any]]] = {plugin.name: plugin for plugin in _ALL}


def read_settings() -> dict[str, ProviderSettings]:
    """Every provider's settings from the environment: for a process that calls or imitates providers."""
    return _in_one_world({plugin.name: plugin.settings() for plugin in _ALL})


def read_callback_settings() -> dict[str, ProviderSettings]:
    """What verifies every provider's callbacks, from the environment: for a process that receives them."""
    return _in_one_world({plugin.name: plugin.callback_settings() for plugin in _ALL})


def _in_one_world(settings: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
    require_one_world(PLUGINS, settings)
    return settings


def sandbox_settings(address: SandboxAddress) -> dict[str, ProviderSettings]:
    """The settings with which the sandbox stands for every provider."""
    return {plugin.name: plugin.sandbox_settings(address) for plugin in _ALL}


def build_providers(settings: Mapping[str, ProviderSettings], limits: CallLimits) -> dict[str, Provider]:
    """Every provider by its name, not started."""
    return {name: PLUGINS[name].provider(given, limits) for name, given in settings.items()}


def read_capabilities(settings: Mapping[str, ProviderSettings]) -> dict[str, Capabilities]:
    """What every provider can do for our account there. ``settings``: those for callbacks suffice."""
    return {name: given.narrow(PLUGINS[name].capabilities) for name, given in settings.items()}


def read_settlements() -> dict[str, Settlement]:
    """When every provider's days end and when its statement can be relied on, for our account there, from the environment:
    for a process that need not call providers."""
    settings = {plugin.name: plugin.callback_settings() for plugin in _ALL}
    return {name: one.settlement for name, one in read_capabilities(settings).items()}


def in_either_capture_mode() -> list[str]:
    """The providers that take a payment in either capture mode for our account there, from the environment."""
    found = read_capabilities(read_callback_settings())
    return [name for name, capabilities in found.items() if capabilities.capture_modes == set(CaptureMode)]


def build_verifiers(settings: Mapping[str, ProviderSettings]) -> dict[str, CallbackVerifier]:
    """Every provider's verifier of callbacks by its name, not started. ``settings``: those for callbacks suffice."""
    return {name: PLUGINS[name].verifier(given) for name, given in settings.items()}
