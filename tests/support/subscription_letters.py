"""Whether each letter about a subscription is true: by what its history says at the moment the letter is sent, and by what
happens afterwards. Written from docs/signals.md and docs/subscriptions.md, not from the rules that write the letters."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from billing.messages.subscription_events import AttemptView, Notice, SubscriptionChanged
from billing.subscriptions.vocabulary import AttemptState, PeriodStatus, Purpose, Status, Trigger

OVERDUE = (Status.PAST_DUE, Status.ON_HOLD)
WEEKEND = timedelta(hours=72)


def untrue(history: Sequence[SubscriptionChanged], end: datetime) -> Iterator[str]:
    """What is not true in the letters and accesses of one subscription, whose events ``history`` has in order up to
    ``end`` (UTC). A charge that is announced is made at the very moment: the history is one of a clock that never stops."""
    for place, event in enumerate(history):
        moment = Moment(event, history[place - 1] if place else None, history[place + 1 :], end)
        where = f"{event.subscription_id} version {event.version}, {event.changed_at}"
        for wrong in moment.access():
            yield f"{where}: {wrong}"
        for notice in event.notices:
            for wrong in moment.letter(notice):
                yield f"{where}: {notice.name}: {wrong}"


class Moment:
    """An event, the one before it, and those after it."""

    def __init__(
        self,
        event: SubscriptionChanged,
        before: SubscriptionChanged | None,
        after: Sequence[SubscriptionChanged],
        end: datetime,
    ) -> None:
        self.event, self.before, self.after, self.end = event, before, after, end

    def access(self) -> Iterator[str]:
        """What is wrong with the access after the event."""
        event = self.event
        expected = self._access_until()
        delayed = event.charge is not None or self._waits_for_us()
        if event.access_until != expected and not (
            delayed and expected is not None and event.access_until is not None and event.access_until > expected
        ):
            yield f"access until {event.access_until}, not {expected}"
        if event.access is None:
            if self.before and self.before.access_until != event.access_until:
                yield f"access until {event.access_until}, was {self.before.access_until}, without a signal"
        elif event.access.valid_until != event.access_until:
            yield f"access until {event.access_until}, but the signal has {event.access.valid_until}"

    def letter(self, notice: Notice) -> Iterator[str]:
        """What is wrong with a letter."""
        event = self.event
        if (notice.plan, notice.title, notice.currency) != (event.price.plan, event.price.title, event.price.currency):
            yield "another plan"
        if notice.name != "refunded" and notice.amount != event.price.amount:
            yield f"amount {notice.amount}"
        if notice.access_until != event.access_until:
            yield f"the letter has access until {notice.access_until}, the subscription {event.access_until}"
        if notice.name not in ("ended", "extended") and notice.ends_at != event.cancel_at:
            yield f"the letter has its end at {notice.ends_at}, the subscription {event.cancel_at}"
        yield from getattr(self, f"_{notice.name}", _nothing)(notice)

    def _access_until(self) -> datetime | None:
        event = self.event
        if event.status is Status.PAST_DUE:
            assert event.dunning is not None
            return event.dunning.grace_until
        if event.status is not Status.ACTIVE:
            return None
        assert event.period is not None
        renews = event.method is not None and event.cancel_at is None
        slack = min(WEEKEND, event.price.cadence.least / 2)
        return event.period.end_at + (slack if renews or event.charge is not None else timedelta(0))

    def _waits_for_us(self) -> bool:
        """A charge failed by our fault, and is made again."""
        event = self.event
        return event.period is not None and event.changed_at >= event.period.end_at and event.status is Status.ACTIVE

    def _started(self, _: Notice) -> Iterator[str]:
        if self.event.previous_status not in (Status.INCOMPLETE, None):
            yield f"it was {self.event.previous_status}"
        yield from self._was_paid(_)

    def _renewed(self, notice: Notice) -> Iterator[str]:
        if self.event.previous_status is not Status.ACTIVE:
            yield f"it was {self.event.previous_status}"
        yield from self._was_paid(notice)

    def _recovered(self, notice: Notice) -> Iterator[str]:
        if self.event.previous_status not in OVERDUE:
            yield f"it was {self.event.previous_status}"
        yield from self._was_paid(notice)

    def _was_paid(self, notice: Notice) -> Iterator[str]:
        paid = [period for period in self.event.periods if period.status is PeriodStatus.PAID]
        if [period.amount for period in paid] != [notice.amount]:
            yield f"paid: {paid}"

    def _renewal_ahead(self, notice: Notice) -> Iterator[str]:
        if notice.at is None or notice.at <= self.event.changed_at:
            yield f"is of {notice.at}"
            return
        made, stopped = self._first(_asked), self._first(lambda e: not _renews(e, self.event))
        yield from self._happens(notice.at, made, stopped, "the charge")
        if made is not None and (stopped is None or made.changed_at <= stopped.changed_at):
            amounts = [attempt.amount for attempt in _asked_for(made)]
            if amounts != [notice.amount]:
                yield f"{amounts} was charged"

    def _payment_failed(self, notice: Notice) -> Iterator[str]:
        yield from self._says_why(notice)
        dunning = self.event.dunning
        assert dunning is not None
        if notice.next_try_at != dunning.retry_at:
            yield f"next try {notice.next_try_at}, and it is {dunning.retry_at}"
        tried = self._first(lambda e: any(a.trigger is Trigger.RETRY for a in _asked_for(e)))
        stopped = self._first(lambda e: e.status not in OVERDUE or e.method != self.event.method or bool(_asked_for(e)))
        if notice.next_try_at is not None:
            yield from self._happens(notice.next_try_at, tried, stopped, "the next try")
        elif tried is not None and tried is stopped:
            yield f"says no next try, and one is made at {tried.changed_at}"

    def _action_needed(self, notice: Notice) -> Iterator[str]:
        dunning = self.event.dunning
        assert dunning is not None
        in_grace = self.event.changed_at < dunning.grace_until
        deadline = dunning.grace_until if in_grace else dunning.give_up_at
        if notice.at != deadline:
            yield f"asks to act until {notice.at}, not {deadline}"
        yield from self._says_why(notice)
        if dunning.retry_at is not None:
            yield f"and it is tried at {dunning.retry_at}"

    def _says_why(self, notice: Notice) -> Iterator[str]:
        dunning = self.event.dunning
        if dunning is None or notice.reason != dunning.reason:
            yield f"says {notice.reason}"

    def _last_notice(self, notice: Notice) -> Iterator[str]:
        yield from self._gives_up(notice)

    def _on_hold(self, notice: Notice) -> Iterator[str]:
        if (self.event.status, self.event.access_until) != (Status.ON_HOLD, None):
            yield f"it is {self.event.status}, access until {self.event.access_until}"
        yield from self._gives_up(notice)

    def _gives_up(self, notice: Notice) -> Iterator[str]:
        dunning = self.event.dunning
        if dunning is None or notice.at != dunning.give_up_at:
            yield f"says that it ends at {notice.at}"
            return
        assert notice.at is not None
        ended = self._first(lambda e: e.status is Status.ENDED and e.end_reason == "non_payment")
        stopped = self._first(lambda e: e.status not in OVERDUE and e.end_reason != "non_payment")
        yield from self._happens(notice.at, ended, stopped, "the end")

    def _cancelled(self, notice: Notice) -> Iterator[str]:
        assert self.event.period is not None
        if notice.ends_at != self.event.period.end_at:
            yield f"ends at {notice.ends_at}, not with its period"
        yield from self._ends(notice)

    def _renewal_off(self, notice: Notice) -> Iterator[str]:
        yield from self._ends(notice)

    def _ends(self, notice: Notice) -> Iterator[str]:
        assert notice.ends_at is not None
        ended = self._first(lambda e: e.status is Status.ENDED)
        stopped = self._first(lambda e: e.cancel_at != notice.ends_at and e.status is not Status.ENDED)
        if ended is not None and ended.changed_at < notice.ends_at:
            return  # by another command, or a refund
        yield from self._happens(notice.ends_at, ended, stopped, "the end")
        charged = self._first(lambda e: bool(_asked_for(e)))
        if charged is not None and ended is not None and charged.changed_at < ended.changed_at and stopped is None:
            yield f"and it is charged at {charged.changed_at}"

    def _kept(self, _: Notice) -> Iterator[str]:
        if self.event.cancel_at is not None:
            yield f"it ends at {self.event.cancel_at}"

    def _ended(self, notice: Notice) -> Iterator[str]:
        event = self.event
        if (notice.ends_at, notice.reason) != (event.ended_at, event.end_reason) or event.status is not Status.ENDED:
            yield f"{notice.ends_at} {notice.reason}, and it is {event.status} {event.ended_at} {event.end_reason}"

    def _extended(self, notice: Notice) -> Iterator[str]:
        assert self.event.period is not None
        if notice.ends_at != self.event.period.end_at:
            yield f"to {notice.ends_at}, not {self.event.period.end_at}"

    def _happens(
        self, at: datetime, event: SubscriptionChanged | None, stopped: SubscriptionChanged | None, what: str
    ) -> Iterator[str]:
        """``event`` is ``what`` was announced for ``at``; it does not come where it is ``stopped`` before."""
        if stopped is not None and stopped.changed_at <= at and stopped is not event:
            return
        if event is None:
            if at < self.end:
                yield f"{what} does not come at {at}"
        elif event.changed_at - at > timedelta(seconds=1) or event.changed_at < at:
            yield f"{what} comes at {event.changed_at}, not at {at}"

    def _first(self, holds: Callable[[SubscriptionChanged], bool]) -> SubscriptionChanged | None:
        return next((event for event in self.after if holds(event)), None)


def _nothing(_: Notice) -> Iterator[str]:
    return iter(())


def _asked_for(event: SubscriptionChanged) -> list[AttemptView]:
    """The charge that begins with the event."""
    return [attempt for attempt in event.attempts if attempt.state is AttemptState.REQUESTED]


def _asked(event: SubscriptionChanged) -> bool:
    return any(attempt.purpose is Purpose.RENEWAL for attempt in _asked_for(event))


def _renews(event: SubscriptionChanged, told: SubscriptionChanged) -> bool:
    """It still renews as it was told: the same period ends at the same time, and nobody took its method or cancelled."""
    assert told.period is not None
    assert event.period is not None
    same = (event.period.number, event.period.end_at) == (told.period.number, told.period.end_at)
    return event.status is Status.ACTIVE and event.cancel_at is None and event.method is not None and same
