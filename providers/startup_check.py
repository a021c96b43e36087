"""Refuses, at the start of a process, settings with which money would be lost: imitations beside real providers, and what
the sandbox is set up with at a real one."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from pydantic import SecretStr

from providers.plugin import ProviderPlugin, SandboxAddress
from providers.settings import ProviderSettings
from runtime.settings.base import SettingsRefused

#: Every secret made for the sandbox begins with this.
SANDBOX_SECRET: Final = "sandbox"  # noqa: S105 - the beginning of a secret
_SANDBOX: Final = SandboxAddress("http://sandbox", lambda _name: SANDBOX_SECRET, ())


class ProvidersRefused(SettingsRefused):
    """The settings of the providers must not be used together; the message says which, and what to do."""


def require_one_world(
    plugins: Mapping[str, ProviderPlugin[Any, Any]], settings: Mapping[str, ProviderSettings]
) -> None:
    """Raise :class:`ProvidersRefused` unless all providers that are set up take real money, or none does, and a real one
    has nothing of the sandbox' settings. ``settings``: by the provider's name; one without any credentials is not
    set up."""
    real: list[str] = []
    imitated: list[str] = []
    for name, given in settings.items():
        if not given.is_set_up:
            continue
        if not given.takes_money:
            imitated.append(name)
            continue
        real.append(name)
        for variable in _of_sandbox(given, plugins[name].sandbox_settings(_SANDBOX)):
            raise ProvidersRefused(
                f"{variable} is the sandbox's, and {given.variable('url')} leads to the real provider: set it to the "
                f"real account's"
            )
    if real and imitated:
        raise ProvidersRefused(
            f"{', '.join(real)} would take real money beside {', '.join(imitated)}, which would not (a sandbox, or an "
            "account for tests): a payment could be bought for nothing. Set all of them to real accounts; for one that "
            "you do not use, set its address to the real provider's and leave its account and secrets empty"
        )


def require_no_real_provider(settings: Mapping[str, ProviderSettings]) -> None:
    """Raise :class:`ProvidersRefused` where one that is set up takes real money: time may not be played with there."""
    real = [name for name, given in settings.items() if given.is_set_up and given.takes_money]
    if real:
        raise ProvidersRefused(
            f"BILLING_TEST_CLOCKS is set, and {', '.join(real)} would take real money: test clocks are for sandboxes only. "
            "Unset it, or set all providers to a sandbox"
        )


def _of_sandbox(given: ProviderSettings, sandbox: ProviderSettings) -> Iterator[str]:
    for name in type(given).model_fields:
        value = getattr(given, name)
        if (
            _is_made_for_sandbox(value)
            or _is_private(name, value)
            or (name in given.ACCOUNT and value == getattr(sandbox, name))
        ):
            yield given.variable(name)


def _is_made_for_sandbox(value: Any) -> bool:
    secrets = value if isinstance(value, list) else [value]
    return any(isinstance(s, SecretStr) and s.get_secret_value().startswith(SANDBOX_SECRET) for s in secrets)


def _is_private(name: str, value: Any) -> bool:
    """Whether these are networks of containers: any process there could send a real provider's callbacks."""
    return name == "addresses" and any(ip_network(network, strict=False).is_private for network in value)
