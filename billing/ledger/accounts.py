"""The chart of accounts. On the wire and in tables an account is its text: a kind, or ``kind:provider``."""

from enum import StrEnum
from typing import Final

import msgspec


class AccountKind(StrEnum):
    """The kinds of account; ``ledger_accounts.kind`` in Postgres allows the same."""

    RECEIVABLE = "receivable"
    """What customers owe us."""
    CLEARING = "clearing"
    """What a provider holds for us until it pays it out; one account per provider."""
    REVENUE = "revenue"
    REFUNDS = "refunds"
    FEES = "fees"
    """What providers keep for their service."""
    BANK = "bank"
    """What providers paid out to us."""
    CHARGEBACKS = "chargebacks"
    """What banks took back for customers."""
    TRANSIT = "transit"
    """What providers have paid out and our bank has not received yet."""
    SUSPENSE = "suspense"
    """What nobody can explain yet; each amount belongs to a discrepancy."""
    RESERVE = "reserve"
    """What providers keep back for a time."""
    ADJUSTMENTS = "adjustments"
    """What providers corrected by themselves, and what we wrote off."""
    FX = "fx"
    """Money changed into another currency, in each of the two."""
    FEE_TAX = "fee_tax"
    """Tax on what providers keep for their service."""


class Account(msgspec.Struct, frozen=True):
    """An account. ``provider``: whose account it is, ``None`` where all providers share one."""

    kind: AccountKind
    provider: str | None = None

    def __str__(self) -> str:
        return self.kind.value if self.provider is None else f"{self.kind}:{self.provider}"


REVENUE: Final = Account(AccountKind.REVENUE)
REFUNDS: Final = Account(AccountKind.REFUNDS)
CHARGEBACKS: Final = Account(AccountKind.CHARGEBACKS)


def clearing(provider: str) -> Account:
    """The clearing account of a provider, ``clearing:yandex-pay``."""
    return Account(AccountKind.CLEARING, provider)
