"""Errors of the domain. Each is raised where a rule is violated, and handled where a reply can be made."""


class BillingError(Exception):
    """Base of everything the domain raises."""


class InvalidMoney(BillingError, ValueError):
    """An amount or currency that cannot be money."""


class CurrencyMismatch(BillingError, ValueError):
    """Amounts of different currencies were added."""


class InvalidCart(BillingError, ValueError):
    """A cart that cannot be sold: empty, repeated products, or a total that does not match."""


class InvariantBroken(BillingError, AssertionError):
    """An amount of money would be wrong. Never caught inside the domain: the message becomes a dead letter."""


class InvalidMessage(BillingError, ValueError):
    """A message that can never be applied."""


class UnknownMessageType(InvalidMessage):
    """A message of a type that this release does not know; a later one may."""
