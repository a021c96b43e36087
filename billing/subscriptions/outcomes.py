"""What a payment's outcome means for its subscription. Paid first, renewed then; what was paid without need is given back."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from billing.errors import InvariantBroken
from billing.messages import PaymentOutcome, WithdrawCharge
from billing.messages.subscription_events import AttemptView
from billing.reasons import Kind, Reason
from billing.subscriptions.cadence import anchor_at, period_bounds
from billing.subscriptions.decision import Decision, Draft, unchanged
from billing.subscriptions.dunning import POLICIES, act_until, classify, fault_delay, policy_for, retry_at, worse
from billing.subscriptions.hours import into_hours
from billing.subscriptions.lifecycle import Event
from billing.subscriptions.methods import Method, last_day, method_id
from billing.subscriptions.model import Charge, Dunning, Period, Subscription
from billing.subscriptions.vocabulary import (
    LIVING,
    OVERDUE,
    AttemptState,
    Decline,
    EndReason,
    PeriodStatus,
    Purpose,
    Status,
    Trigger,
)
from billing.vocabulary import PaymentStatus

_FAILED: Final = frozenset((PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.VOIDED))
#: A charge made later than this after its time is late by a fault of ours: grace is counted from the charge.
_ON_TIME: Final = timedelta(days=1)
_CLOSED: Final = (Kind.ABANDONED, Kind.CANCELLED)


def outcome(message: PaymentOutcome, s: Subscription, now: datetime) -> Decision:
    """What follows from a payment's new state."""
    if s.charge is not None and message.payment_id == s.charge.payment_id:
        return _of_open_charge(message, s, s.charge, now)
    if s.period is not None and message.payment_id == s.period.paid_by:
        return _of_paid_period(message, s, s.period, now)
    return _of_another(message, s, now)


def _of_open_charge(message: PaymentOutcome, s: Subscription, charge: Charge, now: datetime) -> Decision:
    if message.payment_version <= charge.payment_version and message.state not in _FAILED:
        return unchanged(s)
    draft = Draft(s, now, before=s)
    if message.captured > message.refunded:
        draft.waiting = charge.reply_to
        _paid(draft, draft.close_charge(AttemptState.PAID), message)
    elif message.state in _FAILED or message.captured > 0:
        draft.waiting = charge.reply_to
        _failed(draft, charge, message)
    else:
        state = _state(message)
        url = message.payment_url
        answered = url is not None or state is not AttemptState.PENDING
        if answered:
            draft.waiting = charge.reply_to
        draft.see_charge(
            state=state,
            payment_version=message.payment_version,
            payment_url=url,
            reply_to=None if answered else charge.reply_to,
        )
    return draft.build()


def _of_paid_period(message: PaymentOutcome, s: Subscription, period: Period, now: datetime) -> Decision:
    if message.payment_version <= period.payment_version:
        return unchanged(s)
    draft = Draft(s, now, before=s)
    known = msgspec.structs.replace(period, payment_version=message.payment_version, refunded=message.refunded)
    if _is_charged_back(message):
        draft.set_period(msgspec.structs.replace(known, status=PeriodStatus.REFUNDED))
        _end_charged_back(draft)
    elif message.state == PaymentStatus.REFUNDED:
        draft.set_period(msgspec.structs.replace(known, status=PeriodStatus.REFUNDED))
        if s.status is Status.ACTIVE and now < period.end_at:
            draft.tell("refunded", amount=message.refunded)
            draft.end(Event.REFUNDED, EndReason.REFUNDED)
    elif message.captured == 0 and period.status is PeriodStatus.PAID:
        _undone(draft, known, message)
    elif message.captured > message.refunded and period.status in (PeriodStatus.OPEN, PeriodStatus.REFUNDED):
        draft.set_period(known)
        _paid_after_all(draft, known, message)
    else:
        draft.set_period(known)
    return draft.build()


def _of_another(message: PaymentOutcome, s: Subscription, now: datetime) -> Decision:
    """A payment that is neither under way nor the running period's: money that comes late, or an earlier period's."""
    if message.captured <= message.refunded:
        return unchanged(s)
    attempt = s.attempt(message.payment_id)
    draft = Draft(s, now, before=s)
    if attempt is not None and attempt.state is AttemptState.PAID and _is_charged_back(message):
        _end_charged_back(draft)
        return draft.build()
    if attempt is None and (message.refunded or message.charged_back):
        return unchanged(s)  # of a period long ago: what follows from its capture was decided then
    if attempt is not None and _pays(attempt, s):
        draft.withdraw()
        draft.move_attempt(attempt, AttemptState.PAID)
        _paid(draft, attempt, message)
        return draft.build()
    if attempt is not None and attempt.state in (AttemptState.STRAY, AttemptState.PAID):
        return unchanged(s)  # it is being given back, or it paid for an earlier period
    if attempt is None:
        draft.payments.append(WithdrawCharge(message.payment_id, "not to be paid any more"))
    else:
        _give_back(draft, attempt, message)
    return draft.build()


def _is_charged_back(message: PaymentOutcome) -> bool:
    """Whether refunds and chargebacks leave nothing of what was captured."""
    return message.charged_back > 0 and message.captured <= message.refunded + message.charged_back


def _end_charged_back(draft: Draft) -> None:
    """End the subscription, so that a customer who disputed a payment is not charged again."""
    if draft.s.status in LIVING:
        draft.end(Event.CHARGED_BACK, EndReason.CHARGEBACK)


def _paid_after_all(draft: Draft, period: Period, message: PaymentOutcome) -> None:
    """The payment of a period that was found unpaid, or given back, is captured."""
    s = draft.s
    attempt = s.attempt(message.payment_id)
    assert attempt is not None, "attempts of the latest period are kept"
    if s.status in LIVING and period.status is PeriodStatus.OPEN:
        draft.withdraw()
        draft.move_attempt(attempt, AttemptState.PAID)
        _paid(draft, attempt, message)
    else:
        _give_back(draft, attempt, message)


def _give_back(draft: Draft, attempt: AttemptView, message: PaymentOutcome) -> None:
    draft.payments.append(WithdrawCharge(message.payment_id, "not to be paid any more"))
    draft.move_attempt(attempt, AttemptState.STRAY)
    draft.tell("refunded", f"stray:{attempt.payment_id}", amount=message.captured)


def _pays(attempt: AttemptView, s: Subscription) -> bool:
    """A charge that was believed to have failed, and pays the period that is due."""
    return s.status in LIVING and attempt.state is AttemptState.FAILED and attempt.period == s.due


def _paid(draft: Draft, attempt: Charge | AttemptView, message: PaymentOutcome) -> None:
    s, now = draft.s, draft.now
    before = s.status
    price, number = s.price, attempt.period
    start = _continues(s, number, now)
    if start is None:
        # Not sold backwards: the period starts when it is paid.
        start = max(now, _sold_until(s) or now)
        draft.update(anchor=anchor_at(start, number, s.zone))
    anchor = draft.s.anchor
    assert anchor is not None
    end = period_bounds(anchor, price.cadence, number)[1]
    if end <= start:
        raise InvariantBroken(f"{s.id}: period {number} would end at {end}, before its start {start}")
    if not draft.transition(Event.PAID):
        raise InvariantBroken(f"{s.id}: {s.status} cannot be paid")
    draft.update(
        dunning=None,
        postponed_to=None,
        faults=0,
        held_until=None,
        told=tuple(key for key in s.told if key.startswith("method_expiring:")),
    )
    draft.set_period(
        Period(
            number=number,
            life=s.life,
            start_at=start,
            end_at=end,
            price_id=price.id,
            amount=attempt.amount,
            currency=attempt.currency,
            status=PeriodStatus.PAID,
            paid_by=attempt.payment_id,
            payment_version=message.payment_version,
            refunded=message.refunded,
        )
    )
    if attempt.purpose is not Purpose.RENEWAL and message.method_ref is not None:
        method = _method(s, message)
        draft.update(method=method, provider=method.provider)
    if before is Status.INCOMPLETE:
        draft.tell("started")
    else:
        draft.tell("recovered" if before in OVERDUE else "renewed")
    if draft.s.method is None and draft.s.cancel is None:
        draft.cancel_at(end, EndReason.NO_METHOD, "system")
        draft.tell("renewal_off")


def _sold_until(s: Subscription) -> datetime | None:
    """The end of the time that is sold (UTC)."""
    if s.period is None or s.period.status not in (PeriodStatus.PAID, PeriodStatus.CUT):
        return None
    return s.period.end_at


def _continues(s: Subscription, number: int, now: datetime) -> datetime | None:
    """The start of the period, where it follows the one before without a gap; ``None`` where it starts anew."""
    period, dunning = s.period, s.dunning
    if period is None or s.status not in (Status.ACTIVE, Status.PAST_DUE):
        return None
    grace = policy_for(s.price.cadence).grace
    if now > (period.end_at + grace if dunning is None else dunning.grace_until):
        return None
    return period.start_at if number == period.number else period.end_at


def _failed(draft: Draft, charge: Charge, message: PaymentOutcome) -> None:
    s, now = draft.s, draft.now
    reason = message.reason or Reason.OTHER.value
    decline = classify(message.reason)
    if charge.purpose is Purpose.RENEWAL and Reason.of(reason).kind in _CLOSED:
        decline = Decline.OURS  # no bank and no customer declined it
    draft.close_charge(AttemptState.FAILED, decline, reason)
    if charge.purpose is Purpose.FIRST:
        draft.update(method=None)
        draft.end(Event.NOT_PAID, EndReason.NEVER_STARTED)
        return
    if charge.purpose is Purpose.PAY:
        return  # the customer did not pay the page: the dunning goes on as it was
    if s.method is None or (Reason.of(reason) is Reason.METHOD_REMOVED and s.method.id == charge.method_id):
        _without_method(draft)
        return
    changed = s.method.id != charge.method_id
    if decline is Decline.OURS:
        _fault(draft)
    else:
        _declined(draft, charge, decline, reason, message.retry_after_s)
    if changed and draft.s.dunning is not None:
        draft.update(dunning=msgspec.structs.replace(draft.s.dunning, retry_at=now))


def _without_method(draft: Draft) -> None:
    """The method was removed while it was charged, and nothing was."""
    draft.update(method=None)
    if draft.s.dunning is not None:
        draft.update(dunning=msgspec.structs.replace(draft.s.dunning, retry_at=None))
    elif draft.s.status is Status.ACTIVE:
        draft.end_with_letter(Event.TIME_OVER, EndReason.NO_METHOD)


def _fault(draft: Draft) -> None:
    """A fault of ours: no dunning, no letter, no try used up."""
    faults = draft.s.faults + 1
    again = into_hours(draft.now + fault_delay(faults), draft.s.zone)
    dunning = draft.s.dunning
    if dunning is None:
        draft.update(faults=faults, postponed_to=again)
    else:
        draft.update(faults=faults, dunning=msgspec.structs.replace(dunning, retry_at=again))
    draft.hold_access()


def _declined(draft: Draft, charge: Charge, decline: Decline, reason: str, retry_after_s: int | None) -> None:
    s = draft.s
    automatic = charge.trigger in (Trigger.SCHEDULE, Trigger.RETRY)
    if s.dunning is None:
        dunning = _dunning_after(s, charge, decline, reason)
    else:
        # With another method it is another matter; else a class worsens and never improves.
        worst = worse(s.dunning.decline, decline) if automatic else decline
        tries = s.dunning.automatic + automatic
        dunning = msgspec.structs.replace(s.dunning, decline=worst, reason=reason, automatic=tries)
    policy = POLICIES[dunning.policy]
    again = retry_at(dunning, policy, charge.requested_at, s.zone, retry_after_s)
    draft.transition(Event.DECLINED)
    draft.update(dunning=msgspec.structs.replace(dunning, retry_at=again), held_until=None, postponed_to=None, faults=0)
    period = dunning.period
    if dunning.decline in (Decline.CUSTOMER, Decline.DEAD):
        draft.tell("action_needed", f"action_needed:{period}", reason=reason, at=act_until(dunning, draft.now))
    elif Reason.of(reason) is not Reason.ISSUER_UNAVAILABLE or dunning.automatic > 1:
        # A bank that did not answer is no news for the customer before the second try.
        draft.tell("payment_failed", f"payment_failed:{period}", reason=reason, next_try_at=again)


def _dunning_after(s: Subscription, charge: Charge, decline: Decline, reason: str) -> Dunning:
    """The dunning that a declined charge begins."""
    assert s.period is not None
    due = s.period.end_at
    if charge.requested_at - due > _ON_TIME:
        due = charge.requested_at
    return _begin_dunning(s, charge.period, decline, reason, due=due, started_at=charge.requested_at)


def _begin_dunning(
    s: Subscription, period: int, decline: Decline, reason: str, *, due: datetime, started_at: datetime
) -> Dunning:
    """By the current policy for the price. ``due``: from when grace is counted (UTC)."""
    policy = policy_for(s.price.cadence)
    return Dunning(
        period=period,
        policy=policy.name,
        started_at=started_at,
        decline=decline,
        reason=reason,
        automatic=1,
        retry_at=None,
        grace_until=due + policy.grace,
        give_up_at=due + policy.give_up,
    )


def _undone(draft: Draft, period: Period, message: PaymentOutcome) -> None:
    """The running period turns out to be unpaid, by a correction or the provider's report."""
    s, now = draft.s, draft.now
    attempt = s.attempt(message.payment_id)
    assert attempt is not None, "attempts of the latest period are kept"
    draft.move_attempt(attempt, AttemptState.FAILED)
    if s.status not in LIVING:
        draft.set_period(msgspec.structs.replace(period, status=PeriodStatus.REFUNDED))
        return
    draft.withdraw()
    draft.set_period(msgspec.structs.replace(period, status=PeriodStatus.OPEN))
    if s.status is not Status.ACTIVE:
        return
    if s.cancel is not None:
        draft.end_with_letter(Event.TIME_OVER, s.cancel.reason)
        return
    draft.transition(Event.UNDONE)
    reason = message.reason or Reason.OTHER.value
    dunning = _begin_dunning(s, period.number, Decline.WEAK, reason, due=now, started_at=now)
    if s.method is not None:
        again = into_hours(now + POLICIES[dunning.policy].weak[0], s.zone)
        dunning = msgspec.structs.replace(dunning, retry_at=again)
    draft.update(
        dunning=dunning,
        postponed_to=None,
        held_until=None,
    )
    draft.tell("payment_failed", f"payment_failed:{period.number}", reason=reason, next_try_at=dunning.retry_at)


def _state(message: PaymentOutcome) -> AttemptState:
    """The state of an open charge."""
    if message.operation_state in (AttemptState.UNKNOWN, AttemptState.NOT_SENT):
        return AttemptState(message.operation_state)
    return AttemptState.PENDING


def _method(s: Subscription, message: PaymentOutcome) -> Method:
    assert message.method_ref is not None
    id = method_id(message.provider, s.customer_id, message.method_ref)
    known = s.method if s.method is not None and s.method.id == id else None
    title = message.method_title or ("" if known is None else known.title)
    expires = last_day(message.method_expires) or (None if known is None else known.expires_on)
    return Method(id, message.provider, message.method_ref, title, expires)
