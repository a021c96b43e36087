"""What happens to a subscription and when, for people: the steps of a simulation as entries of a calendar."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.cadence import boundary
from billing.subscriptions.decision import OPEN_STATES
from billing.subscriptions.model import Subscription
from billing.subscriptions.simulation import Step, paid_charge, play, send
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Status


class Entry(StrEnum):
    CHARGE = "CHARGE"
    """A payment is asked for."""
    PAID = "PAID"
    """It pays its period."""
    DECLINED = "DECLINED"
    NOTICE = "NOTICE"
    """A letter to the customer."""
    ACCESS = "ACCESS"
    """The end of the access moves, or access ends."""
    STATUS = "STATUS"


class CalendarEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happens at ``at`` (UTC), which is ``local`` in the subscription's zone. ``detail``: the letter's name, the
    reason of a decline, the new status. ``amount``: minor units of ``currency``. ``status``, ``access_until``: of the
    subscription afterwards."""

    at: datetime
    local: datetime
    what: Entry
    detail: str | None
    period: int | None
    amount: int | None
    currency: str
    status: Status
    access_until: datetime | None


def calendar(steps: Iterable[Step]) -> Iterator[CalendarEntry]:
    """The entries of the steps that changed the subscription, in order."""
    for step in steps:
        if step.decision.event is not None:
            yield from _entries(step.at, step.decision.event)


def forecast(s: Subscription, periods: int, now: datetime) -> list[CalendarEntry]:
    """What happens to ``s`` from ``now`` (UTC) on if nobody sends a command and every charge is paid, up to the payment of
    its ``periods``-th next period. An open charge is taken as paid now."""
    steps: list[Step] = []
    if s.charge is not None:
        steps += send(s, paid_charge(s, now), now)
        assert steps[-1].decision.subscription is not None
        s = steps[-1].decision.subscription
    if s.anchor is None or s.status is Status.ENDED:
        return list(calendar(steps))
    until = boundary(s.anchor, s.price.cadence, s.due + periods + 1)
    left = periods - sum(map(_paid, steps))
    for step in play(s, until):
        if left <= 0:
            break
        left -= _paid(step)
        steps.append(step)
    return list(calendar(steps))


def _paid(step: Step) -> int:
    event = step.decision.event
    return 0 if event is None else sum(period.status is PeriodStatus.PAID for period in event.periods)


def _entries(at: datetime, event: SubscriptionChanged) -> Iterator[CalendarEntry]:
    local = at.astimezone(ZoneInfo(event.zone))

    def entry(
        what: Entry, detail: str | None = None, period: int | None = None, amount: int | None = None
    ) -> CalendarEntry:
        return CalendarEntry(
            at=at,
            local=local,
            what=what,
            detail=detail,
            period=period,
            amount=amount,
            currency=event.price.currency,
            status=event.status,
            access_until=event.access_until,
        )

    for attempt in event.attempts:
        if attempt.state is AttemptState.REQUESTED:
            yield entry(Entry.CHARGE, attempt.trigger.value, attempt.period, attempt.amount)
        elif attempt.state is AttemptState.PAID:
            yield entry(Entry.PAID, None, attempt.period, attempt.amount)
        elif attempt.state not in OPEN_STATES:
            yield entry(Entry.DECLINED, attempt.reason or attempt.state.value, attempt.period, attempt.amount)
    if event.status is not event.previous_status:
        yield entry(Entry.STATUS, event.status.value)
    if event.access is not None:
        yield entry(Entry.ACCESS)
    for notice in event.notices:
        yield entry(Entry.NOTICE, notice.name, None, notice.amount)
