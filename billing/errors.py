"""Errors of the domain. Each is raised where a rule is broken and handled at the edge that can answer for it."""


class BillingError(Exception):
    """Base of everything the domain raises."""


class InvalidMoney(BillingError, ValueError):
    """An amount or currency that cannot be money."""


class CurrencyMismatch(BillingError, ValueError):
    """Amounts of different currencies were put together."""


class InvalidCart(BillingError, ValueError):
    """A cart that cannot be sold: empty, repeated products, or a total that does not match."""


class InvariantBroken(BillingError, AssertionError):
    """Money would be wrong. Never caught inside the domain: the message goes to the dead letters, loudly."""


class InvalidMessage(BillingError, ValueError):
    """A message that can never be understood."""
