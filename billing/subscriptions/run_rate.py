"""The yearly run rate of a subscription, and how a change moved it. Integers, so that movements add up."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.subscriptions.cadence import Unit
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import EndReason, Status

_PER_YEAR: Final = MappingProxyType({Unit.DAY: 365, Unit.WEEK: 52, Unit.MONTH: 12, Unit.YEAR: 1})
_COUNTED: Final = frozenset((Status.ACTIVE, Status.PAST_DUE))
_INVOLUNTARY: Final = frozenset((EndReason.NON_PAYMENT, EndReason.NO_METHOD, EndReason.CHARGEBACK))


class Movement(StrEnum):
    """Why the run rate changed."""

    NEW = "NEW"
    RETURN = "RETURN"
    HELD = "HELD"
    RECOVERED = "RECOVERED"
    CHURN_VOLUNTARY = "CHURN_VOLUNTARY"
    CHURN_INVOLUNTARY = "CHURN_INVOLUNTARY"


def arr(subscription: Subscription | None) -> int:
    """Minor units a year; 0 while the subscription is not counted: unpaid at its start, on hold, ended."""
    if subscription is None or subscription.status not in _COUNTED:
        return 0
    price = subscription.price
    count = price.cadence.count
    return (2 * price.amount * _PER_YEAR[price.cadence.unit] + count) // (2 * count)


def movement(before: Subscription | None, after: Subscription) -> Movement | None:
    """What kind of change led from ``before`` to ``after``; ``None`` where the run rate stays."""
    if arr(before) == arr(after):
        return None
    if after.status in _COUNTED:
        if before is not None and before.status is Status.ON_HOLD:
            return Movement.RECOVERED
        return Movement.NEW if after.life == 1 else Movement.RETURN
    if after.status is Status.ON_HOLD:
        return Movement.HELD
    involuntary = after.ended is not None and after.ended.reason in _INVOLUNTARY
    return Movement.CHURN_INVOLUNTARY if involuntary else Movement.CHURN_VOLUNTARY
