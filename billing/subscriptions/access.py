"""Until when a subscription gives access. A grant carries its end, so that access ends by itself though we are down, and
outlasts an outage of ours by the slack."""

from datetime import datetime, timedelta
from typing import Final

from billing.subscriptions.cadence import Cadence, boundary
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import Status

#: A weekend without us.
_SLACK: Final = timedelta(hours=72)
#: Access that would end while a charge is under way is extended when less than this is left, by a day at a time.
HOLD_BEFORE: Final = timedelta(hours=6)
_HOLD: Final = timedelta(hours=24)


def slack(cadence: Cadence) -> timedelta:
    """By how much access outlasts a period that will renew."""
    return min(_SLACK, cadence.least / 2)


def access_until(subscription: Subscription) -> datetime | None:
    """The end of the access (UTC); ``None``: no access."""
    s = subscription
    if s.period is None or s.status not in (Status.ACTIVE, Status.PAST_DUE):
        return None
    if s.dunning is not None:
        until = s.dunning.grace_until
    elif s.renews or s.charge is not None:
        until = s.period.end_at + slack(s.price.cadence)
    else:
        until = s.period.end_at
    return until if s.held_until is None else max(until, s.held_until)


def paid_or_to_be(subscription: Subscription) -> datetime:
    """The end of the period that is due (UTC): a fault of ours extends access no further."""
    s = subscription
    assert s.anchor is not None, "a period was paid for"
    return boundary(s.anchor, s.price.cadence, s.due + 1)


def held(subscription: Subscription, now: datetime) -> datetime | None:
    """How far to extend access at ``now`` because of a charge that a fault of ours delays; ``None``: there is enough, or
    none."""
    s = subscription
    if s.access_until is None or s.access_until > now + HOLD_BEFORE:
        return None
    until = min(now + _HOLD, paid_or_to_be(s))
    return until if until > s.access_until else None
