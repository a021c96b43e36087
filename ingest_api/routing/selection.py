"""Chooses the provider of a payment that names none."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest_api.problems import Problem, ProblemError
from ingest_api.routing.provider_health import ProviderHealth
from ingest_api.routing.rules import ProviderChoice, RoutingCriteria, Rule, choose
from providers.base import Provider

#: The rule that holds without a file of rules: every provider, in the order in which they are registered.
ANY: Final = "any"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: tuple[Rule, ...]


def read_rules(path: Path | None, providers: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of a TOML file, see docs/providers.md; without one, every provider takes every payment.

    Raises :class:`ValueError`, naming the file and what is wrong, for one that cannot be read or means nothing.
    """
    known = tuple(providers)
    if path is None:
        return (Rule(name=ANY, providers=known),)
    try:
        rules = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).rule
    except OSError as error:
        raise ValueError(f"routing rules: {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"routing rules: {path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"routing rules: {path}: {where}: {first['msg']}") from error
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise ValueError(f"routing rules: {path}: two rules have one name, of {', '.join(names)}")
    for rule in rules:
        if strangers := sorted(set(rule.providers) - set(known)):
            raise ValueError(
                f"routing rules: {path}: rule {rule.name}: no provider {', '.join(strangers)}; "
                f"there are {', '.join(known)}"
            )
    return rules


class ProviderSelector:
    """The rules, what each provider takes, and who is well."""

    def __init__(self, rules: Sequence[Rule], providers: Mapping[str, Provider], health: ProviderHealth) -> None:
        self._rules = rules
        self._providers = providers
        self.health = health

    def choose(self, criteria: RoutingCriteria) -> ProviderChoice:
        """The providers to ask; 422 when none takes such a payment."""

        def takes(name: str) -> bool:
            return self._providers[name].capabilities.refusal(criteria.currency, criteria.amount) is None

        choice = choose(self._rules, criteria, takes, lambda name: name not in self.health.unwell)
        if choice is None:
            raise ProblemError(Problem.NO_PROVIDER)
        return choice
