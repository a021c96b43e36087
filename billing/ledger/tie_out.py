"""The tie-out of a day: what our books say that a provider holds for us equals what its statements say, plus named
operations.

::

    ours = opening + theirs + awaited - booked_later + unexplained      (unexplained must be 0)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec


class Apart(msgspec.Struct, frozen=True):
    """An operation whose two sides are not the same at the end of a day, in one currency. ``amount``: by how much the books
    say more, minor units. ``is_stated``: the provider has lines of it by then. ``is_named``: it agrees by now, has an open
    discrepancy, or its movement is of a later business day."""

    operation_id: UUID
    currency: str
    amount: int
    is_stated: bool
    is_named: bool


class TieOut(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's day in one currency. Amounts in minor units, positive where the provider owes us.

    ``ours``: our clearing account at the end of the accounting date. ``theirs``: what the provider holds by all its
    statements to the business date. ``opening``: what was booked before clearing began, and is in no statement that was
    read. ``awaited``: movements that come in a later statement, ``awaited_count`` operations; ``booked_later``: what the
    statement has of operations that were booked later, ``booked_later_count``. ``unexplained``: what is left."""

    provider: str
    currency: str
    ours: int
    theirs: int
    opening: int = 0
    awaited: int = 0
    awaited_count: int = 0
    booked_later: int = 0
    booked_later_count: int = 0

    @property
    def unexplained(self) -> int:
        """What no list explains; 0 where the day ties out."""
        return self.ours - self.opening - self.theirs - self.awaited + self.booked_later


def tie_out(
    provider: str,
    ours: Mapping[str, int],
    theirs: Mapping[str, int],
    opening: Mapping[str, int],
    apart: Iterable[Apart],
) -> list[TieOut]:
    """The tie-outs of a provider's day, by currency. ``ours``, ``theirs``, ``opening``: currency → minor units."""
    lists: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in apart:
        if one.is_named:
            sums = lists[one.currency]
            place = 2 if one.is_stated else 0
            sums[place] += -one.amount if one.is_stated else one.amount
            sums[place + 1] += 1
    return [
        TieOut(
            provider=provider,
            currency=currency,
            ours=ours.get(currency, 0),
            theirs=theirs.get(currency, 0),
            opening=opening.get(currency, 0),
            awaited=lists[currency][0],
            awaited_count=lists[currency][1],
            booked_later=lists[currency][2],
            booked_later_count=lists[currency][3],
        )
        for currency in sorted(ours.keys() | theirs.keys() | opening.keys() | lists.keys())
    ]
