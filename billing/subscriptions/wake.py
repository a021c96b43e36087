"""What a wake-up leads to: that which is due by the subscription's own agenda, and nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from billing.messages import ReportOutcome
from billing.messages.subscription_commands import ProviderState, Wake
from billing.subscriptions.agenda import Appointment, What, agenda
from billing.subscriptions.decision import LOOK_EVERY, Decision, Draft, unchanged
from billing.subscriptions.dunning import BETWEEN_TRIES, METHOD_TRIES, act_until, worse
from billing.subscriptions.hours import into_hours
from billing.subscriptions.lifecycle import Event
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import Decline, EndReason, Purpose, Trigger

#: A letter about something ahead is not sent when its moment is longer past than this.
_NOTICE_LATE: Final = timedelta(days=1)


def wake(message: Wake, s: Subscription, now: datetime) -> Decision:
    """Keep the appointments that are due, until one moves the status: what remains is due at the next wake-up."""
    draft = Draft(s, now, before=s)
    kept: set[tuple[What, str]] = set()
    while draft.s.status is s.status:
        due = [a for a in agenda(draft.s) if a.at <= now and (a.what, a.key) not in kept]
        if not due:
            break
        appointment = min(due, key=lambda a: (a.what, a.at))
        kept.add((appointment.what, appointment.key))
        _KEEP[appointment.what](draft, appointment, message)
    if draft.s is s and not draft.payments:
        return unchanged(s)
    return draft.build()


def _end(draft: Draft, _: Appointment, __: Wake) -> None:
    reason = EndReason.NO_METHOD if draft.s.cancel is None else draft.s.cancel.reason
    draft.end_with_letter(Event.TIME_OVER, reason)


def _give_up(draft: Draft, _: Appointment, message: Wake) -> None:
    if _kept_from_trying(draft, message):
        return
    draft.end_with_letter(Event.GIVEN_UP, EndReason.NON_PAYMENT)


def _hold(draft: Draft, _: Appointment, message: Wake) -> None:
    if _kept_from_trying(draft, message):
        draft.hold_access()
        return
    draft.transition(Event.GRACE_OVER)
    draft.update(held_until=None)
    draft.tell("on_hold", at=draft.s.dunning.give_up_at if draft.s.dunning else None)


def _charge(draft: Draft, _: Appointment, message: Wake) -> None:
    if message.provider_state is not ProviderState.OK:
        draft.hold_access()
        return
    draft.open_charge(Purpose.RENEWAL, Trigger.SCHEDULE, provider=draft.s.provider)


def _retry(draft: Draft, _: Appointment, message: Wake) -> None:
    dunning = draft.s.dunning
    assert dunning is not None
    if message.provider_state is not ProviderState.OK:
        draft.hold_access()
        return
    if message.method_tries >= METHOD_TRIES:
        # The card networks count: another try would cost a fine, and soon the method.
        worst = worse(dunning.decline, Decline.CUSTOMER)
        draft.update(dunning=msgspec.structs.replace(dunning, retry_at=None, decline=worst))
        draft.tell(
            "action_needed", f"action_needed:{dunning.period}", reason=dunning.reason, at=act_until(dunning, draft.now)
        )
        return
    if message.method_tried_at is not None and message.method_tried_at + BETWEEN_TRIES > draft.now:
        later = into_hours(message.method_tried_at + BETWEEN_TRIES, draft.s.zone)
        draft.update(dunning=msgspec.structs.replace(dunning, retry_at=later))
        return
    draft.open_charge(Purpose.RENEWAL, Trigger.RETRY, provider=draft.s.provider)


def _look(draft: Draft, _: Appointment, __: Wake) -> None:
    charge = draft.s.charge
    if charge is None:
        return
    draft.see_charge(look_at=draft.now + LOOK_EVERY)
    draft.payments.append(ReportOutcome(charge.payment_id))


def _access(draft: Draft, _: Appointment, __: Wake) -> None:
    draft.hold_access()


def _notice(draft: Draft, appointment: Appointment, _: Wake) -> None:
    if appointment.at < draft.now - _NOTICE_LATE:
        draft.update(told=(*draft.s.told, appointment.key))
        return
    assert appointment.notice is not None
    reason = None if draft.s.dunning is None else draft.s.dunning.reason
    draft.tell(appointment.notice, appointment.key, at=_announced(draft, appointment), reason=reason)


def _announced(draft: Draft, appointment: Appointment) -> datetime | None:
    """When what a notice announces happens (UTC)."""
    s = draft.s
    if s.dunning is not None:
        return act_until(s.dunning, draft.now) if appointment.notice == "action_needed" else s.dunning.give_up_at
    return next((a.at for a in agenda(s) if a.what is What.CHARGE), None)


def _kept_from_trying(draft: Draft, message: Wake) -> bool:
    """A try that was due could not be made for a fault of ours: the customer does not pay for that."""
    dunning = draft.s.dunning
    assert dunning is not None
    due = dunning.retry_at is not None and dunning.retry_at <= draft.now and draft.s.method is not None
    return due and message.provider_state is not ProviderState.OK


_KEEP: Final[MappingProxyType[What, Callable[[Draft, Appointment, Wake], None]]] = MappingProxyType(
    {
        What.END: _end,
        What.GIVE_UP: _give_up,
        What.HOLD: _hold,
        What.CHARGE: _charge,
        What.RETRY: _retry,
        What.LOOK: _look,
        What.ACCESS: _access,
        What.NOTICE: _notice,
    }
)
