"""The report `mrr_movements` in plain Python: from the status and the price of each subscription after each change."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.vocabulary import Status

PER_YEAR = {"DAY": 365, "WEEK": 52, "MONTH": 12, "YEAR": 1}
COUNTED = (Status.ACTIVE, Status.PAST_DUE)
INVOLUNTARY = ("non_payment", "no_method")
MOVEMENTS = ("NEW", "RETURN", "RECOVERED", "HELD", "CHURN_VOLUNTARY", "CHURN_INVOLUNTARY")


class Moved(NamedTuple):
    """How a change moved the yearly run rate, minor units. ``heads``: one more, one less."""

    month: date
    currency: str
    movement: str
    heads: int
    arr: int


def rate(event: SubscriptionChanged | None) -> int:
    """The yearly run rate after a change, minor units, halves up."""
    if event is None or event.status not in COUNTED:
        return 0
    cadence = event.price.cadence
    return _nearest(Fraction(event.price.amount * PER_YEAR[cadence.unit], cadence.count))


def moves(history: Sequence[SubscriptionChanged]) -> list[Moved]:
    """The changes of one subscription that moved the run rate, in order."""
    found = []
    before: SubscriptionChanged | None = None
    for event in history:
        if (change := rate(event) - rate(before)) != 0:
            heads = (rate(event) > 0) - (rate(before) > 0)
            month = event.changed_at.date().replace(day=1)
            found.append(Moved(month, event.price.currency, _movement(before, event), heads, change))
        before = event
    return found


def rows(moved: Sequence[Moved], first: date, last: date) -> list[tuple[Any, ...]]:
    """What the report says of the months from ``first`` to ``last``, both firsts of a month."""
    found: list[tuple[Any, ...]] = []
    month = first
    while month <= last:
        for currency in sorted({one.currency for one in moved if one.month <= month}):
            mine = [one for one in moved if one.currency == currency]
            earlier = [one for one in mine if one.month < month]
            parts = [("opening", sum(o.heads for o in earlier), sum(o.arr for o in earlier))]
            for kind in MOVEMENTS:
                of_kind = [one for one in mine if (one.month, one.movement) == (month, kind)]
                if of_kind:
                    parts.append((kind, abs(sum(o.heads for o in of_kind)), sum(o.arr for o in of_kind)))
            reached = 0
            for kind, heads, arr in parts:
                mrr = _nearest(Fraction(reached + arr, 12)) - _nearest(Fraction(reached, 12))
                found.append((month, currency, kind, heads, arr, mrr))
                reached += arr
            heads = sum(one.heads for one in mine if one.month <= month)
            found.append((month, currency, "closing", heads, reached, _nearest(Fraction(reached, 12))))
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def _movement(before: SubscriptionChanged | None, event: SubscriptionChanged) -> str:
    if event.status in COUNTED:
        if before is not None and before.status is Status.ON_HOLD:
            return "RECOVERED"
        return "NEW" if event.life == 1 else "RETURN"
    if event.status is Status.ON_HOLD:
        return "HELD"
    return "CHURN_INVOLUNTARY" if event.end_reason in INVOLUNTARY else "CHURN_VOLUNTARY"


def _nearest(value: Fraction) -> int:
    return int((2 * value + 1) // 2)
