"""The descriptor of a provider: all that the rest of the service knows of it. ``providers/registry.py`` lists them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from providers.base import CallbackVerifier, Capabilities, Provider
from providers.http import CallLimits
from providers.sandbox.context import SandboxContext
from providers.sandbox.imitation import Imitation
from providers.settings import ProviderSettings

C = TypeVar("C", bound=ProviderSettings)
S = TypeVar("S", bound=ProviderSettings)


class Body(NamedTuple):
    """An HTTP body in the API document. ``const``: the only text that it may be."""

    example: Any
    media_type: str = "application/json"
    const: str | None = None


@dataclass(frozen=True)
class CallbackRoute:
    """A provider's callbacks in our API. ``path``: what follows ``/webhooks/<name>``; ``description``: how the sender is
    verified; ``request``: what the provider sends; ``stored`` and ``refusals``: our answers, by status; ``headers``:
    name → meaning of what the provider sends with it."""

    path: str
    description: str
    request: Body
    stored: Body
    refusals: Mapping[int, Body]
    headers: Mapping[str, str] = field(default_factory=dict)


class SandboxAddress(NamedTuple):
    """Where a stack's sandbox is. ``secret``: a name → a secret of this stack; ``networks``: from where its callbacks
    come."""

    url: str
    secret: Callable[[str], str]
    networks: Sequence[str]

    def registers(self, provider: str) -> str:
        """Where the sandbox has the registers of a provider."""
        return f"{self.url}/_sandbox/registers/{provider}"


@dataclass(frozen=True)
class ProviderPlugin(Generic[C, S]):
    """One provider. ``title``: its name for people. ``callback_settings``: what verifies its callbacks, for ingest;
    ``settings``: all of them, for workers and the sandbox. ``imitation``: the provider as the sandbox imitates it;
    ``sandbox_settings``: the settings with which the service calls the sandbox instead of the provider."""

    name: str
    title: str
    capabilities: Capabilities
    callback: CallbackRoute
    callback_settings: type[C]
    settings: type[S]
    verifier: Callable[[C], CallbackVerifier]
    provider: Callable[[S, CallLimits], Provider]
    imitation: Callable[[S, SandboxContext], Imitation]
    sandbox_settings: Callable[[SandboxAddress], S]
