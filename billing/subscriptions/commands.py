"""What follows from a command of a customer, a client or support to a subscription."""

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid5

import msgspec

from billing.errors import InvalidCart, InvalidMoney
from billing.messages import RefundPayment
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    Subscribe,
    SubscriptionCommand,
    When,
)
from billing.subscriptions.cadence import anchor_at
from billing.subscriptions.decision import Decision, Draft, awaits_page, refuse, unchanged
from billing.subscriptions.dunning import OWN_TRIES, own_try_at
from billing.subscriptions.lifecycle import Event
from billing.subscriptions.model import CommandRef, Period, Subscription
from billing.subscriptions.prices import RefundRule, share
from billing.subscriptions.vocabulary import LIVING, OVERDUE, EndReason, PeriodStatus, Purpose, Status, Trigger

#: Commands remembered, to recognise a repeat.
_COMMANDS_KEPT: Final = 20
_MICROSECOND: Final = timedelta(microseconds=1)


def repeated(command: SubscriptionCommand, s: Subscription, now: datetime) -> Decision | None:
    """The answer to a command that was carried out before; ``None`` for a new one."""
    known = next((c for c in s.commands if c.id == command.command_id), None)
    if known is None:
        return None
    if known.fingerprint != command.fingerprint:
        detail = "this Idempotency-Key was used before with another body"
        return refuse(s, command, "idempotency_key_reused", detail)
    if command.reply_to is not None and awaits_page(s.charge):
        # Its payment page is not there yet: the caller waits for it, as the first one did.
        draft = Draft(s, now, before=s)
        draft.see_charge(reply_to=command.reply_to)
        return draft.build()
    return unchanged(s, command.reply_to, replayed=True, refunded=known.refunded)


def subscribe(command: Subscribe, s: Subscription | None, now: datetime) -> Decision:
    """Begin a life with its first payment."""
    if s is not None and (repeat := repeated(command, s, now)) is not None:
        return repeat
    try:
        command.price.check()
    except (InvalidCart, InvalidMoney) as error:
        return refuse(s, command, "invalid_price", str(error))
    if s is not None and s.status is Status.INCOMPLETE and not command.replace:
        return refuse(s, command, "first_payment_open", "the first payment is open: pay it, or replace it")
    if s is not None and s.status in LIVING:
        detail = "the customer has a subscription in this group; it can be changed or kept"
        return refuse(s, command, "already_subscribed", detail)
    draft = _begin(command, s, now)
    draft.consent = command.consent
    _note(draft, command)
    page = command.payment_ttl_s if command.method is None else None
    draft.open_charge(
        Purpose.FIRST, Trigger.CUSTOMER, provider=draft.s.provider, page_ttl_s=page, reply_to=command.reply_to
    )
    return draft.build()


def cancel(command: CancelSubscription, s: Subscription, now: datetime) -> Decision:
    """End it: now, or when what is paid for is used up."""
    if s.status is Status.ENDED:
        return refuse(s, command, "subscription_ended", "the subscription has ended")
    draft = _draft(command, s, now)
    over = s.period is None or now >= s.period.end_at
    if s.status is Status.ACTIVE and not over:
        if command.when is When.AT_END:
            if s.cancel is None or s.cancel.reason is not EndReason.CANCELLED:
                assert s.period is not None
                draft.cancel_at(s.period.end_at, EndReason.CANCELLED, command.by)
                draft.tell("cancelled", ends_at=s.period.end_at)
            return draft.build()
        draft.refunded = _cut(draft, command)
        _note(draft, command, draft.refunded)
    # What was not paid for is not sold: nothing is owed.
    draft.end_with_letter(Event.CANCELLED, EndReason.CANCELLED)
    return draft.build()


def keep(command: KeepSubscription, s: Subscription, now: datetime) -> Decision:
    """Take a cancellation back."""
    if s.status is not Status.ACTIVE or s.cancel is None:
        return refuse(s, command, "not_cancelled", "there is no cancellation to take back")
    if s.method is None:
        return refuse(s, command, "no_method", "name a payment method first")
    if s.period is not None and now >= s.period.end_at:
        return refuse(s, command, "subscription_ended", "the time that was paid for is over")
    draft = _draft(command, s, now)
    draft.update(cancel=None)
    draft.tell("kept")
    return draft.build()


def pay_now(command: PayNow, s: Subscription, now: datetime) -> Decision:
    """Open a page for the renewal that was declined."""
    if s.charge is not None and s.charge.purpose is Purpose.PAY:
        draft = _draft(command, s, now)
        if s.charge.payment_url is None:
            draft.waiting = None
            draft.see_charge(reply_to=command.reply_to)
        return draft.build()
    if s.status not in OVERDUE:
        return refuse(s, command, "nothing_due", "nothing is to be paid now")
    if s.charge is not None:
        detail = f"a charge is open since {s.charge.requested_at:%Y-%m-%dT%H:%M:%SZ}: its outcome must be known first"
        return refuse(s, command, "charge_open", detail)
    if (next_try := own_try_at(s.attempts, now)) > now:
        return _too_many_tries(s, command, next_try)
    draft = _draft(command, s, now)
    draft.waiting = None
    if command.return_urls is not None:
        draft.update(return_urls=command.return_urls)
    draft.open_charge(
        Purpose.PAY,
        Trigger.CUSTOMER,
        provider=command.provider,
        page_ttl_s=command.payment_ttl_s,
        reply_to=command.reply_to,
    )
    return draft.build()


def change_method(command: ChangeMethod, s: Subscription, now: datetime) -> Decision:
    """Charge another method from now on; a declined renewal at once."""
    if s.status not in LIVING:
        return refuse(s, command, "subscription_ended", "there is nothing to charge")
    charges = s.status in OVERDUE and s.charge is None
    if charges and (next_try := own_try_at(s.attempts, now)) > now:
        return _too_many_tries(s, command, next_try)
    draft = _draft(command, s, now)
    draft.update(method=command.method, provider=command.method.provider)
    if s.cancel is not None and s.cancel.reason is EndReason.NO_METHOD:
        draft.update(cancel=None)
    if charges:
        draft.open_charge(Purpose.RENEWAL, Trigger.METHOD, provider=command.method.provider)
    return draft.build()


def extend(command: ExtendPeriod, s: Subscription, now: datetime) -> Decision:
    """Move the end of the period."""
    period = s.period
    if period is None or s.status not in LIVING or period.status is not PeriodStatus.PAID:
        return refuse(s, command, "not_extendable", "no paid period can be extended")
    if command.until <= max(period.end_at, now):
        return refuse(s, command, "invalid_end", "the new end must lie ahead, behind the present one")
    draft = _draft(command, s, now)
    draft.transition(Event.EXTENDED)
    draft.withdraw()
    anchor = anchor_at(command.until, period.number + 1, s.zone)
    draft.set_period(msgspec.structs.replace(period, end_at=command.until))
    draft.update(anchor=anchor, dunning=None, postponed_to=None, faults=0, held_until=None, told=())
    if s.cancel is not None:
        draft.update(cancel=msgspec.structs.replace(s.cancel, at=command.until))
    draft.tell("extended", ends_at=command.until)
    return draft.build()


def method_removed(message: MethodRemoved, s: Subscription, now: datetime) -> Decision:
    """Nothing is charged with it any more; what was charged before stands."""
    if s.method is None or s.method.id != message.method_id or s.status is Status.ENDED:
        return unchanged(s)
    draft = Draft(s, now, before=s)
    draft.update(method=None)
    if s.dunning is not None:
        draft.update(dunning=msgspec.structs.replace(s.dunning, retry_at=None))
    elif s.status is Status.ACTIVE and s.charge is None and s.cancel is None:
        assert s.period is not None
        draft.cancel_at(max(s.period.end_at, now), EndReason.NO_METHOD, "customer")
        draft.tell("renewal_off", method_title=s.method.title or None)
    return draft.build()


def _too_many_tries(s: Subscription, command: SubscriptionCommand, next_try: datetime) -> Decision:
    detail = f"{OWN_TRIES} tries to pay were made within a day: the next may be made at {next_try:%Y-%m-%dT%H:%M:%SZ}"
    return refuse(s, command, "too_many_tries", detail)


def _begin(command: Subscribe, s: Subscription | None, now: datetime) -> Draft:
    provider = command.provider if command.method is None else command.method.provider
    fresh = {
        "price": command.price,
        "provider": provider,
        "zone": command.zone,
        "consent_id": command.consent.id,
        "contact": command.contact,
        "return_urls": command.return_urls,
        "method": command.method,
        "metadata": command.metadata,
        "clock_id": command.clock_id,
    }
    if s is None:
        begun = Subscription(
            id=command.subscription_id,
            client_id=command.client_id,
            customer_id=command.customer_id,
            life=1,
            status=Status.INCOMPLETE,
            version=1,
            created_at=now,
            updated_at=now,
            **fresh,  # type: ignore[arg-type]
        )
        return Draft(begun, now, before=None)
    draft = Draft(s, now, before=s)
    if draft.transition(Event.SUBSCRIBED):
        draft.update(life=s.life + 1)
    draft.withdraw()
    draft.update(anchor=None, ended=None, told=(), **fresh)
    return draft


def _draft(command: SubscriptionCommand, s: Subscription, now: datetime) -> Draft:
    draft = Draft(s, now, before=s)
    draft.waiting = command.reply_to
    _note(draft, command)
    return draft


def _note(draft: Draft, command: SubscriptionCommand, refunded: int = 0) -> None:
    others = tuple(c for c in draft.s.commands if c.id != command.command_id)
    noted = CommandRef(command.command_id, command.fingerprint, refunded)
    draft.update(commands=(*others[-_COMMANDS_KEPT + 1 :], noted))


def _cut(draft: Draft, command: CancelSubscription) -> int:
    """End the paid period now; returns the minor units that are given back."""
    period = draft.s.period
    assert period is not None
    rule = command.refund or draft.s.price.refund_on_cancel
    back = _refund(period, draft.now, rule)
    # A test clock stands still: by it, a period may be cut at the moment in which it began.
    end = max(draft.now, period.start_at + _MICROSECOND)
    draft.set_period(msgspec.structs.replace(period, status=PeriodStatus.CUT, end_at=end))
    if back:
        id = uuid5(period.paid_by, "cancel")
        draft.payments.append(RefundPayment(period.paid_by, id, "subscription cancelled", amount=back))
    return back


def _refund(period: Period, now: datetime, rule: RefundRule) -> int:
    left = period.amount - period.refunded
    if rule is RefundRule.NONE or left <= 0:
        return 0
    if rule is RefundRule.FULL:
        return left
    rest = (period.end_at - now) // _MICROSECOND
    return min(left, share(period.amount, rest, (period.end_at - period.start_at) // _MICROSECOND))
