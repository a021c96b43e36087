"""Selects the provider of a payment whose client names none."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest_api.problems import Problem, ProblemError
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.routing.rules import ProviderChoice, RoutingCriteria, Rule, choose_providers
from providers.base import Capabilities
from runtime.settings.base import SettingsRefused

#: The only rule without a file of rules: every provider, in the order of registration.
ANY: Final = "any"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: tuple[Rule, ...]


def read_rules(path: Path | None, providers: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of a TOML file, see docs/providers.md; without a file, every provider gets every payment that it accepts.

    Raises :class:`SettingsRefused`, naming the file and what is wrong, for a file that cannot be read or is not valid.
    """
    known = tuple(providers)
    if path is None:
        return (Rule(name=ANY, providers=known),)
    try:
        rules = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).rule
    except OSError as error:
        raise SettingsRefused(f"routing rules: {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"routing rules: {path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsRefused(f"routing rules: {path}: {where}: {first['msg']}") from error
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise SettingsRefused(f"routing rules: {path}: two rules have the same name, among {', '.join(names)}")
    for rule in rules:
        if strangers := sorted(set(rule.providers) - set(known)):
            raise SettingsRefused(
                f"routing rules: {path}: rule {rule.name}: no provider {', '.join(strangers)}; "
                f"there are {', '.join(known)}"
            )
    return rules


class ProviderSelector:
    """Chooses by the rules, the capabilities of the providers, and their availability."""

    def __init__(self, rules: Sequence[Rule], capabilities: Mapping[str, Capabilities], health: ProviderHealth) -> None:
        self._rules = rules
        self._capabilities = capabilities
        self.health = health

    def choose(self, criteria: RoutingCriteria) -> ProviderChoice:
        """The providers to try; 422 when none accepts the payment."""

        def accepts(name: str) -> bool:
            capabilities = self._capabilities[name]
            return capabilities.refusal(criteria.currency, criteria.amount, criteria.capture_mode) is None

        choice = choose_providers(self._rules, criteria, accepts, lambda name: name not in self.health.unavailable)
        if choice is None:
            raise ProblemError(Problem.NO_PROVIDER)
        return choice
