"""What follows from a declined charge, as data: classes of declines, and policies of retries.

A policy never changes: a new one gets a new name, and what has begun under the old one goes on under it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from billing.messages.subscription_events import AttemptView
from billing.reasons import Kind, Reason, Recovery
from billing.subscriptions.cadence import Cadence
from billing.subscriptions.hours import into_hours
from billing.subscriptions.model import Dunning
from billing.subscriptions.vocabulary import Decline, Purpose, Trigger

#: Between two tries with one method, over all subscriptions of its customer.
BETWEEN_TRIES: Final = timedelta(hours=20)
#: Tries with one method in :data:`METHOD_WINDOW`, over all subscriptions. Visa allows 15, Mastercard 35.
METHOD_TRIES: Final = 8
METHOD_WINDOW: Final = timedelta(days=30)
#: A customer's own tries in :data:`OWN_WINDOW`, by a new method or on a page. They do not count against the policy; those
#: that failed by a fault of ours do not count at all.
OWN_TRIES: Final = 5
OWN_WINDOW: Final = timedelta(days=1)
#: After a fault of ours: the first, the second, each later one.
FAULT_DELAYS: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))


class Policy(msgspec.Struct, frozen=True):
    """``retries``: after the first failure; ``weak``: those that a bank gets which gave no reason. ``grace``: access after
    the end of the period; ``give_up``: then the subscription ends."""

    name: str
    retries: tuple[timedelta, ...]
    weak: tuple[timedelta, ...]
    grace: timedelta
    give_up: timedelta


def _days(*days: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(days=n) for n in days)


_WEEKLY: Final = Policy("weekly-1", _days(1, 2, 4), _days(2), timedelta(days=1), timedelta(days=6))
_MONTHLY: Final = Policy("monthly-1", _days(1, 3, 6, 10, 14, 20), _days(3, 10), timedelta(days=3), timedelta(days=21))
_YEARLY: Final = Policy("yearly-1", _days(1, 3, 7, 14, 21, 27), _days(3, 10), timedelta(days=7), timedelta(days=30))
POLICIES: Final[Mapping[str, Policy]] = MappingProxyType({p.name: p for p in (_WEEKLY, _MONTHLY, _YEARLY)})

_RANK: Final = (Decline.SOFT, Decline.WEAK, Decline.CUSTOMER, Decline.DEAD)
_DEAD: Final = frozenset((Reason.METHOD_DEAD, Reason.METHOD_REVOKED, Reason.FRAUD_SUSPECTED))


def policy_for(cadence: Cadence) -> Policy:
    """The policy of the day for a price."""
    if cadence.least <= timedelta(days=8):
        return _WEEKLY
    return _MONTHLY if cadence.least < timedelta(days=150) else _YEARLY


def classify(text: str | None) -> Decline:
    """The class of a reason (docs/reasons.md)."""
    reason = Reason.OTHER if text is None else Reason.of(text)
    if reason in _DEAD:
        return Decline.DEAD
    if reason is Reason.DECLINED:
        return Decline.WEAK
    if reason.kind is Kind.ISSUER and reason.recovery is Recovery.RETRY_LATER:
        return Decline.SOFT
    if reason.kind is Kind.OURS or (reason.kind is Kind.PROVIDER and reason is not Reason.OTHER):
        return Decline.OURS
    return Decline.CUSTOMER


def worse(one: Decline, other: Decline) -> Decline:
    """The worse of two classes."""
    return max(one, other, key=_RANK.index)


def retry_at(
    dunning: Dunning, policy: Policy, tried_at: datetime, zone: str, retry_after_s: int | None
) -> datetime | None:
    """When the method is tried next (UTC); ``None``: not any more. ``tried_at``: the last try; ``retry_after_s``: what the
    card's network advises, which makes a retry later, never earlier."""
    if dunning.decline not in (Decline.SOFT, Decline.WEAK):
        return None
    days = policy.retries if dunning.decline is Decline.SOFT else policy.weak
    made = dunning.automatic - 1
    if made >= len(days):
        return None
    earliest = max(dunning.started_at + days[made], tried_at + BETWEEN_TRIES)
    if retry_after_s is not None:
        earliest = max(earliest, tried_at + timedelta(seconds=retry_after_s))
    moment = into_hours(earliest, zone)
    return moment if moment < dunning.give_up_at else None


def own_try_at(attempts: Iterable[AttemptView], now: datetime) -> datetime:
    """From when the customer may try again to pay (UTC)."""
    own = (
        a.requested_at
        for a in attempts
        if a.trigger in (Trigger.METHOD, Trigger.CUSTOMER)
        and a.purpose is not Purpose.FIRST
        and a.decline is not Decline.OURS
    )
    latest = sorted(own, reverse=True)[:OWN_TRIES]
    return now if len(latest) < OWN_TRIES else max(now, latest[-1] + OWN_WINDOW)


def act_until(dunning: Dunning, now: datetime) -> datetime:
    """By when to pay (UTC): within the grace its end, so that access stays; after it the end of the dunning, so that access
    comes back."""
    return dunning.grace_until if now < dunning.grace_until else dunning.give_up_at


def fault_delay(faults: int) -> timedelta:
    """How long a charge waits after the ``faults``-th fault of ours in a row."""
    return FAULT_DELAYS[min(faults, len(FAULT_DELAYS)) - 1]
