"""Routing rules: which providers to ask for a payment whose client names none. Rules are ordered data."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from billing.vocabulary import CaptureMode
from ingest_api.texts import COUNTRY, CURRENCY, METHOD

Currency = Annotated[str, StringConstraints(pattern=CURRENCY)]
Country = Annotated[str, StringConstraints(pattern=COUNTRY)]
Method = Annotated[str, StringConstraints(pattern=METHOD)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class RoutingCriteria(NamedTuple):
    """The members of a payment on which its provider depends. ``amount``: minor units; ``country`` (ISO 3166-1) and
    ``method`` where the client gave them. Rules do not use ``capture_mode``."""

    currency: str
    amount: int
    country: str | None = None
    method: str | None = None
    capture_mode: CaptureMode = CaptureMode.ONE_STAGE


class ProviderChoice(NamedTuple):
    """The providers to try, in this order. ``rule``: the rule that chose them; ``None`` where the client did."""

    rule: str | None
    providers: tuple[str, ...]


class Rule(BaseModel):
    """Sends payments that match all its conditions to ``providers``, in this order. A condition that is left out matches
    every payment; a rule for a country or a method does not match a payment without one. ``amount_from`` (inclusive)
    and ``amount_to`` (exclusive): minor units, so of one currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    providers: Annotated[tuple[Name, ...], Field(min_length=1)]
    currencies: frozenset[Currency] = frozenset()
    countries: frozenset[Country] = frozenset()
    methods: frozenset[Method] = frozenset()
    amount_from: int | None = Field(default=None, ge=0)
    amount_to: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if len(set(self.providers)) != len(self.providers):
            raise ValueError("a provider is listed twice")
        if (self.amount_from is not None or self.amount_to is not None) and len(self.currencies) != 1:
            raise ValueError("amounts are minor units: name the one currency they are of")
        if self.amount_from is not None and self.amount_to is not None and self.amount_from >= self.amount_to:
            raise ValueError("amount_from must be below amount_to")
        return self

    def matches(self, criteria: RoutingCriteria) -> bool:
        """Whether the rule applies to the payment."""
        return (
            (not self.currencies or criteria.currency in self.currencies)
            and (not self.countries or criteria.country in self.countries)
            and (not self.methods or criteria.method in self.methods)
            and (self.amount_from is None or criteria.amount >= self.amount_from)
            and (self.amount_to is None or criteria.amount < self.amount_to)
        )


def choose_providers(
    rules: Sequence[Rule],
    criteria: RoutingCriteria,
    accepts: Callable[[str], bool],
    is_available: Callable[[str], bool],
) -> ProviderChoice | None:
    """The choice of the first rule that matches and has a provider that accepts the payment; ``None`` where there is
    none. Unavailable providers come last, but are not left out: if all are unavailable, the payment waits for the first
    of them."""
    for rule in rules:
        if rule.matches(criteria) and (able := [name for name in rule.providers if accepts(name)]):
            return ProviderChoice(rule.name, tuple(sorted(able, key=lambda name: not is_available(name))))
    return None
