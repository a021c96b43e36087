"""Routing rules: which providers to ask for a payment whose client names none. Rules are ordered data."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Method = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class RoutingCriteria(NamedTuple):
    """What a payment can be routed by. ``amount``: minor units; ``country`` (ISO 3166) and ``method`` where the
    client told them."""

    currency: str
    amount: int
    country: str | None = None
    method: str | None = None


class ProviderChoice(NamedTuple):
    """The providers to ask, in this order, and the rule that said so; ``None``: the client did."""

    rule: str | None
    providers: tuple[str, ...]


class Rule(BaseModel):
    """Payments that fit everything it names go to ``providers``, in this order. What it does not name is not looked
    at; a rule for a country or a method does not fit a payment that tells none. ``amount_from`` (within) and
    ``amount_to`` (not within): minor units, so of one currency."""

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
            raise ValueError("a provider stands twice")
        if (self.amount_from is not None or self.amount_to is not None) and len(self.currencies) != 1:
            raise ValueError("amounts are minor units: name the one currency they are of")
        if self.amount_from is not None and self.amount_to is not None and self.amount_from >= self.amount_to:
            raise ValueError("amount_from must be below amount_to")
        return self

    def fits(self, criteria: RoutingCriteria) -> bool:
        """Whether the payment is one of those it speaks of."""
        return (
            (not self.currencies or criteria.currency in self.currencies)
            and (not self.countries or criteria.country in self.countries)
            and (not self.methods or criteria.method in self.methods)
            and (self.amount_from is None or criteria.amount >= self.amount_from)
            and (self.amount_to is None or criteria.amount < self.amount_to)
        )


def choose(
    rules: Sequence[Rule], criteria: RoutingCriteria, takes: Callable[[str], bool], is_well: Callable[[str], bool]
) -> ProviderChoice | None:
    """The first rule that fits and has a provider that ``takes`` the payment. Those that are not well are criteria last,
    not left out: where none is, the payment waits for the first of them. ``None``: nobody takes it."""
    for rule in rules:
        if rule.fits(criteria) and (able := [name for name in rule.providers if takes(name)]):
            return ProviderChoice(rule.name, tuple(sorted(able, key=lambda name: not is_well(name))))
    return None
