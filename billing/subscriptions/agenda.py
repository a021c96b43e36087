"""What happens to a subscription, and when. The only place that knows; the renewal job asks for the earliest time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from billing.subscriptions.access import HOLD_BEFORE, paid_or_to_be
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.hours import charge_at
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import Decline, NoticeName, Purpose, Status


class What(IntEnum):
    """In the order in which appointments of one moment are kept."""

    END = 1
    RETRY = 2
    """Before the next two: a try that is due is not lost because it is late by a fault of ours."""
    GIVE_UP = 3
    HOLD = 4
    CHARGE = 5
    LOOK = 6
    """Ask the payment of the open charge to report again."""
    ACCESS = 7
    """Access would end while a charge is under way."""
    NOTICE = 8


class Appointment(NamedTuple):
    """``what`` is due at ``at`` (UTC). ``notice``: its name; ``key``: under which it is remembered that it was sent."""

    at: datetime
    what: What
    notice: NoticeName | None = None
    key: str = ""


LAST_NOTICE: Final = timedelta(days=3)
ACTION_AGAIN: Final = timedelta(days=1)
METHOD_EXPIRES: Final = timedelta(days=30)


def agenda(s: Subscription) -> list[Appointment]:
    """All appointments, the earliest first. Empty only for a subscription that has ended."""
    return sorted(_appointments(s))


def next_action(s: Subscription) -> Appointment | None:
    """The earliest appointment."""
    return min(_appointments(s), default=None)


def ahead(cadence: Cadence) -> tuple[timedelta, ...]:
    """How long before a charge it is announced: a week or less not at all, half a year or more twice."""
    if cadence.least <= timedelta(days=8):
        return ()
    if cadence.least >= timedelta(days=150):
        return timedelta(days=30), timedelta(days=7)
    return (timedelta(days=1),) if cadence.unit is not Unit.YEAR else (timedelta(days=7),)


def _appointments(s: Subscription) -> Iterator[Appointment]:
    if s.status is Status.ENDED:
        return
    if s.charge is not None:
        yield Appointment(s.charge.look_at, What.LOOK)
    if s.status is Status.ACTIVE:
        yield from _active(s)
    elif s.status is not Status.INCOMPLETE:
        yield from _past_due(s)
    waits = (s.charge is not None and s.charge.purpose is not Purpose.FIRST) or s.postponed_to is not None
    if waits and s.access_until is not None and s.access_until < paid_or_to_be(s):
        yield Appointment(s.access_until - HOLD_BEFORE, What.ACCESS)


def _active(s: Subscription) -> Iterator[Appointment]:
    assert s.period is not None, "an active subscription has a period"
    if s.charge is not None:
        return
    if s.cancel is not None:
        yield Appointment(s.cancel.at, What.END)
        return
    if s.method is None:
        yield Appointment(s.period.end_at, What.END)
        return
    moment = charge_at(s.id, s.due, s.period.end_at, s.zone, s.price.cadence)
    yield Appointment(moment if s.postponed_to is None else s.postponed_to, What.CHARGE)
    if s.postponed_to is not None:
        return
    for days in ahead(s.price.cadence):
        at = s.period.end_at - days
        key = f"renewal_ahead:{s.due}:{days.days}"
        if at > s.period.start_at and key not in s.told:
            yield Appointment(at, What.NOTICE, "renewal_ahead", key)
    expires = s.method.expires_on
    if expires is not None and expires < s.period.end_at.date():
        at = max(s.period.end_at - METHOD_EXPIRES, s.period.start_at)
        if (key := f"method_expiring:{expires}") not in s.told:
            yield Appointment(at, What.NOTICE, "method_expiring", key)


def _past_due(s: Subscription) -> Iterator[Appointment]:
    d = s.dunning
    assert d is not None, "a subscription past due has a dunning"
    if s.charge is None:
        yield Appointment(d.give_up_at, What.GIVE_UP)
        if s.status is Status.PAST_DUE:
            yield Appointment(max(d.grace_until, s.held_until or d.grace_until), What.HOLD)
        if d.retry_at is not None and s.method is not None:
            yield Appointment(d.retry_at, What.RETRY)
    at = d.give_up_at - LAST_NOTICE
    if at > d.started_at and (key := f"last_notice:{d.period}") not in s.told:
        yield Appointment(at, What.NOTICE, "last_notice", key)
    at = d.grace_until - ACTION_AGAIN
    needs_customer = d.decline in (Decline.CUSTOMER, Decline.DEAD)
    if needs_customer and at > d.started_at and (key := f"action_again:{d.period}") not in s.told:
        yield Appointment(at, What.NOTICE, "action_needed", key)
