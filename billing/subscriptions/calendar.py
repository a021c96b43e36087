"""What happens to a subscription and when, for people: the steps of a simulation as entries of a calendar."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from billing.messages import CreatePayment
from billing.messages.subscription_commands import CancelSubscription, Consent, Subscribe
from billing.messages.subscription_events import SubscriptionChanged
from billing.subscriptions.cadence import boundary
from billing.subscriptions.decision import OPEN_STATES
from billing.subscriptions.model import Subscription
from billing.subscriptions.prices import Price, subscription_id
from billing.subscriptions.simulation import Step, paid_charge, play, send
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Status

_TICK: Final = timedelta(microseconds=1)


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
        s = _after(steps)
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


#: (period, attempt) → how the charge ends: a reason of docs/reasons.md, or ``None``: it is paid. Without an attempt it is for
#: all attempts of the period.
Outcomes = Mapping[tuple[int, int | None], str | None]


def imagined_life(
    price: Price,
    start: datetime,
    periods: int,
    zone: str,
    outcomes: Outcomes,
    *,
    cancel_at: datetime | None = None,
) -> list[CalendarEntry]:
    """The life of a subscription to ``price`` that begins at ``start`` (UTC), over ``periods`` periods. Charges that
    ``outcomes`` does not name are paid. ``cancel_at``: when the customer cancels, at the end of the period."""
    nobody, client = UUID(int=0), "simulation"

    def respond(payment: CreatePayment) -> str | None:
        ref = payment.order.subscription
        assert ref is not None, "a payment of a subscription"
        place = (ref.period, ref.attempt)
        return outcomes[place] if place in outcomes else outcomes.get((ref.period, None))

    subscribe = Subscribe(
        subscription_id(client, price.group, client),
        command_id=nobody,
        client_id=client,
        customer_id=client,
        price=price,
        provider=client,
        zone=zone,
        consent=Consent(nobody, ""),
    )
    steps = list(send(None, subscribe, start, respond))
    s = _after(steps)
    if s.anchor is None:
        return list(calendar(steps))
    until = boundary(s.anchor, price.cadence, periods + 1) - _TICK
    if cancel_at is not None and cancel_at <= until:
        steps += play(s, cancel_at, respond)
        cancel = CancelSubscription(s.id, command_id=UUID(int=1), at=cancel_at)
        steps += send(_after(steps), cancel, cancel_at, respond)
    steps += play(_after(steps), until, respond)
    return list(calendar(steps))


def _after(steps: list[Step]) -> Subscription:
    s = steps[-1].decision.subscription
    assert s is not None, "it was subscribed to"
    return s


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
