"""The trial balance of a day: what each account held, what came and went, and what it holds then."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from billing.errors import InvariantBroken

Key = tuple[str, str]
"""Account and currency."""


class Turnover(msgspec.Struct, frozen=True):
    """What a day's entries add up to on an account: both not negative, minor units."""

    debit: int
    credit: int


class AccountBalance(msgspec.Struct, frozen=True):
    """An account over one day, in one currency, in minor units; balances are positive on the debit side."""

    account: str
    currency: str
    opening: int
    debit: int
    credit: int
    closing: int


def trial_balance(opening: Mapping[Key, int], turnover: Mapping[Key, Turnover]) -> tuple[AccountBalance, ...]:
    """The accounts that held something or moved, in the order of their names.

    Raises :class:`~billing.errors.InvariantBroken` where it does not balance.
    """
    none = Turnover(0, 0)
    rows = []
    for key in sorted(opening.keys() | turnover.keys()):
        before, moved = opening.get(key, 0), turnover.get(key, none)
        if before or moved != none:
            closing = before + moved.debit - moved.credit
            rows.append(AccountBalance(*key, before, moved.debit, moved.credit, closing))
    check(rows)
    return tuple(rows)


def check(rows: Iterable[AccountBalance]) -> None:
    """Raise :class:`~billing.errors.InvariantBroken` unless, in each currency, opening and closing balances add up to zero
    and debits equal credits."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        for position, amount in enumerate((row.opening, row.debit - row.credit, row.closing)):
            sums[row.currency][position] += amount
    wrong = {currency: amounts for currency, amounts in sums.items() if any(amounts)}
    if wrong:
        raise InvariantBroken(f"the trial balance is not zero: opening, turnover, closing by currency: {wrong}")


def closing_balances(rows: Iterable[AccountBalance]) -> dict[Key, int]:
    """With what the next day opens."""
    return {(row.account, row.currency): row.closing for row in rows if row.closing}
