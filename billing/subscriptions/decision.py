"""The result of a decision about a subscription, and the draft in which it is built."""

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid5

import msgspec

from billing.errors import InvariantBroken
from billing.messages import CreatePayment, PaymentMessage, Refusal, ReplyTo, RollbackPayment, WithdrawCharge
from billing.messages.subscription_commands import Consent, SubscriptionCommand
from billing.messages.subscription_events import (
    AccessView,
    AttemptView,
    ChargeView,
    DunningView,
    MethodView,
    Notice,
    PeriodView,
    SubscriptionChanged,
    SubscriptionReply,
    SubscriptionSnapshot,
)
from billing.orders import Order, SubscriptionRef
from billing.subscriptions.access import access_until, held
from billing.subscriptions.agenda import next_action
from billing.subscriptions.lifecycle import TRANSITIONS, Event
from billing.subscriptions.model import Cancel, Charge, Ended, Period, Subscription
from billing.subscriptions.run_rate import arr, movement
from billing.subscriptions.vocabulary import (
    AttemptState,
    Decline,
    EndReason,
    NoticeName,
    PeriodStatus,
    Purpose,
    Trigger,
)

_TICK: Final = timedelta(microseconds=1)
#: A charge of a saved method that was not sent until then fails: the next attempt follows.
SEND_WITHIN: Final = timedelta(hours=24)
#: When the payment of an open charge is asked to report again, and how often after.
_LOOK_AFTER: Final = timedelta(hours=6)
LOOK_EVERY: Final = timedelta(days=1)
#: A page that is not paid has expired by then, and the payment has reported it.
_PAGE_MARGIN: Final = timedelta(minutes=10)
#: Closed attempts kept beside those of the period that is due; a later report of an older one is given back.
_ATTEMPTS_KEPT: Final = 12


class Decision(msgspec.Struct, frozen=True):
    """The consequences of one message: the subscription's new state, and what to store and publish.

    ``payments``: messages to the payments inbox. ``event`` is set exactly when the subscription changed. ``consent``: to
    keep, of the life that began. ``refunded``: minor units that a cancellation gives back.
    """

    subscription: Subscription | None
    payments: tuple[PaymentMessage, ...] = ()
    event: SubscriptionChanged | None = None
    consent: Consent | None = None
    refusal: Refusal | None = None
    reply: SubscriptionReply | None = None
    reply_partition: int = 0
    refunded: int = 0


class Draft:
    """A subscription while one message changes it; :meth:`build` makes the decision of what was collected."""

    def __init__(self, subscription: Subscription, now: datetime, *, before: Subscription | None) -> None:
        self.s = subscription
        self.now = now
        self.before = before
        self.payments: list[PaymentMessage] = []
        self.notices: list[Notice] = []
        self.consent: Consent | None = None
        #: The caller to reply to.
        self.waiting: ReplyTo | None = None
        self.refunded = 0
        self._attempts: dict[object, AttemptView] = {}
        self._periods: dict[int, PeriodView] = {}

    def update(self, **changes: object) -> None:
        """Change fields of the subscription."""
        self.s = msgspec.structs.replace(self.s, **changes)

    def transition(self, event: Event) -> bool:
        """Make the transition for ``event``; ``False`` where the table has none."""
        status = TRANSITIONS.get((self.s.status, event))
        if status is None:
            return False
        self.update(status=status)
        return True

    def end(self, event: Event, reason: EndReason) -> None:
        """End the subscription. An open charge is withdrawn."""
        if not self.transition(event):
            raise InvariantBroken(f"{self.s.id}: {self.s.status} cannot end by {event}")
        self.withdraw()
        if self.s.period is not None and self.s.period.status is PeriodStatus.OPEN:
            self.set_period(msgspec.structs.replace(self.s.period, status=PeriodStatus.REFUNDED))
        self.update(
            ended=Ended(self.now, reason),
            cancel=None,
            dunning=None,
            postponed_to=None,
            faults=0,
            held_until=None,
            told=(),
        )

    def end_with_letter(self, event: Event, reason: EndReason) -> None:
        """End the subscription, and send the letter ``ended``."""
        self.end(event, reason)
        self.tell("ended", ends_at=self.now, reason=reason.value)

    def cancel_at(self, at: datetime, reason: EndReason, by: str) -> None:
        """It ends at ``at`` (UTC)."""
        self.update(cancel=Cancel(at, reason, by, self.now), postponed_to=None)

    def set_period(self, period: Period) -> None:
        """Record the latest period, new or changed."""
        self.update(period=period)
        self._periods[period.number] = period_view(period)

    def open_charge(
        self,
        purpose: Purpose,
        trigger: Trigger,
        *,
        provider: str,
        page_ttl_s: int | None = None,
        reply_to: ReplyTo | None = None,
    ) -> None:
        """Try to have the due period paid: by the saved method, or, with ``page_ttl_s``, on a page that stays open for so
        many seconds and saves the method."""
        s = self.s
        number = s.tries + 1
        id = uuid5(s.id, f"period/{s.due}/{number}")
        method = s.method if page_ttl_s is None else None
        look = _LOOK_AFTER if page_ttl_s is None else timedelta(seconds=page_ttl_s) + _PAGE_MARGIN
        charge = Charge(
            payment_id=id,
            purpose=purpose,
            trigger=trigger,
            period=s.due,
            number=number,
            amount=s.price.amount,
            currency=s.price.currency,
            provider=provider,
            method_id=None if method is None else method.id,
            state=AttemptState.REQUESTED,
            requested_at=self.now,
            look_at=self.now + look,
            reply_to=reply_to,
        )
        self.update(charge=charge, postponed_to=None)
        self._record(charge, AttemptState.REQUESTED)
        order = Order(
            id=uuid5(id, "order"),
            customer_id=s.customer_id,
            currency=charge.currency,
            amount=charge.amount,
            cart=s.price.cart(),
            return_urls=s.return_urls,
            contact=s.contact,
            metadata=s.metadata,
            subscription=SubscriptionRef(s.id, charge.period, number, purpose.value),
        )
        self.payments.append(
            CreatePayment(
                id,
                client_id=s.client_id,
                fingerprint=str(id),
                order=order,
                provider=provider,
                payment_ttl_s=page_ttl_s or int(SEND_WITHIN.total_seconds()),
                save_method=method is None,
                saved_method=None if method is None else method.ref,
                not_after=None if method is None or s.clock_id is not None else self.now + SEND_WITHIN,
            )
        )
        self.hold_access()

    def hold_access(self) -> None:
        """Extend access that would end while a charge is delayed by a fault of ours."""
        until = held(self.s, self.now)
        if until is not None:
            self.update(held_until=until, access_until=until)

    def see_charge(self, **changes: object) -> None:
        """Change the open charge."""
        assert self.s.charge is not None
        charge = msgspec.structs.replace(self.s.charge, **changes)
        if charge.state is not self.s.charge.state:
            self._record(charge, charge.state)
        self.update(charge=charge)

    def close_charge(self, state: AttemptState, decline: Decline | None = None, reason: str | None = None) -> Charge:
        """End the open charge."""
        charge = self.s.charge
        assert charge is not None
        self.update(charge=None)
        self._keep(self._record(charge, state, decline, reason))
        return charge

    def withdraw(self) -> None:
        """Give up the open charge, if there is one: what is captured all the same is given back by the payment."""
        if self.s.charge is None:
            return
        charge = self.close_charge(AttemptState.WITHDRAWN)
        if charge.method_id is None:
            # The customer must not be able to pay the page any more.
            id = uuid5(charge.payment_id, "withdraw")
            self.payments.append(RollbackPayment(charge.payment_id, id, "withdrawn"))
        else:
            self.payments.append(WithdrawCharge(charge.payment_id, "withdrawn"))

    def move_attempt(self, attempt: AttemptView, state: AttemptState) -> None:
        """Change how a closed attempt ended."""
        moved = msgspec.structs.replace(attempt, state=state, ended_at=self.now)
        self._attempts[moved.payment_id] = moved
        self._keep(moved)

    def tell(self, name: NoticeName, key: str | None = None, **facts: object) -> None:
        """Write to the customer, once per ``key``, and one letter of a name with a decision: the name is part of the
        letter's message id."""
        if key is not None:
            if key in self.s.told:
                return
            self.update(told=(*self.s.told, key))
        if any(notice.name == name for notice in self.notices):
            return
        price, method = self.s.price, self.s.method
        # Until when there is access, and when it ends, is filled in when the decision is made: more may change.
        notice = Notice(
            name,
            price.plan,
            price.title,
            price.amount,
            price.currency,
            method_title=None if method is None else method.title or None,
        )
        self.notices.append(msgspec.structs.replace(notice, **facts))

    def build(self) -> Decision:
        """Check the invariants, raise the version, and make the event and the reply."""
        until = access_until(self.s)
        if until != self.s.access_until:
            self.update(access_until=until)
        before = self.before
        if self.s is not before:
            version = self.s.version + (before is not None)
            moment = self.now if before is None else max(self.now, before.updated_at + _TICK)
            clock = None if self.s.clock_id is None else self.now
            self.update(version=version, updated_at=moment, clock_at=clock)
        self.s.check()
        event = None
        if self.s is not before:
            event = SubscriptionChanged(
                **msgspec.structs.asdict(snapshot(self.s)),
                previous_status=None if before is None else before.status,
                attempts=tuple(self._attempts.values()),
                periods=tuple(self._periods.values()),
                access=_access(before, self.s),
                notices=tuple(self._notice(notice) for notice in self.notices),
                arr_before=arr(before),
                arr_after=arr(self.s),
                movement=movement(before, self.s),
            )
        return Decision(
            self.s,
            tuple(self.payments),
            event,
            self.consent,
            reply=answer(self.s, self.waiting, refunded=self.refunded),
            reply_partition=0 if self.waiting is None else self.waiting.partition,
            refunded=self.refunded,
        )

    def _notice(self, notice: Notice) -> Notice:
        """The letter as it is true after the decision."""
        ends_at = None if self.s.cancel is None else self.s.cancel.at
        return msgspec.structs.replace(notice, access_until=self.s.access_until, ends_at=notice.ends_at or ends_at)

    def _record(
        self, charge: Charge, state: AttemptState, decline: Decline | None = None, reason: str | None = None
    ) -> AttemptView:
        final = state not in OPEN_STATES
        attempt = AttemptView(
            payment_id=charge.payment_id,
            period=charge.period,
            number=charge.number,
            purpose=charge.purpose,
            trigger=charge.trigger,
            state=state,
            amount=charge.amount,
            currency=charge.currency,
            provider=charge.provider,
            requested_at=charge.requested_at,
            method_id=charge.method_id,
            ended_at=self.now if final else None,
            decline=decline,
            reason=reason,
        )
        self._attempts[charge.payment_id] = attempt
        return attempt

    def _keep(self, attempt: AttemptView) -> None:
        others = [a for a in self.s.attempts if a.payment_id != attempt.payment_id]
        due = [a for a in others if a.period == self.s.due]
        earlier = [a for a in others if a.period != self.s.due][-_ATTEMPTS_KEPT:]
        self.update(attempts=(*earlier, *due, attempt))


OPEN_STATES: Final = frozenset(
    (AttemptState.REQUESTED, AttemptState.PENDING, AttemptState.UNKNOWN, AttemptState.NOT_SENT)
)


def awaits_page(charge: Charge | ChargeView | None) -> bool:
    """The customer is to pay, and the provider has not given the page yet."""
    return charge is not None and charge.purpose is not Purpose.RENEWAL and charge.payment_url is None


def answer(
    s: Subscription, reply_to: ReplyTo | None, *, replayed: bool = False, refunded: int = 0
) -> SubscriptionReply | None:
    """The reply with the subscription's snapshot; ``None`` when no caller waits. ``replayed``: to a repeated command."""
    if reply_to is None:
        return None
    return SubscriptionReply(s.id, reply_to.correlation_id, snapshot(s), replayed=replayed, refunded=refunded)


def refuse(s: Subscription | None, command: SubscriptionCommand, code: str, detail: str) -> Decision:
    """Change nothing and record why; reply if a caller waits."""
    refusal, reply_to = Refusal(code, detail), command.reply_to
    if reply_to is None:
        return Decision(s, refusal=refusal)
    shown = None if s is None else snapshot(s)
    reply = SubscriptionReply(command.subscription_id, reply_to.correlation_id, shown, refusal)
    return Decision(s, refusal=refusal, reply=reply, reply_partition=reply_to.partition)


def unchanged(
    s: Subscription, reply_to: ReplyTo | None = None, *, replayed: bool = False, refunded: int = 0
) -> Decision:
    """Change nothing; show a waiting caller what is. ``refunded``: minor units that the command gave back when it was
    carried out."""
    partition = 0 if reply_to is None else reply_to.partition
    reply = answer(s, reply_to, replayed=replayed, refunded=refunded)
    return Decision(s, reply=reply, reply_partition=partition)


def snapshot(s: Subscription) -> SubscriptionSnapshot:
    """The subscription as an event or a reply shows it."""
    appointment = next_action(s)
    c, d, m = s.charge, s.dunning, s.method
    return SubscriptionSnapshot(
        subscription_id=s.id,
        version=s.version,
        status=s.status,
        client_id=s.client_id,
        customer_id=s.customer_id,
        life=s.life,
        price=s.price,
        provider=s.provider,
        zone=s.zone,
        created_at=s.created_at,
        changed_at=s.updated_at,
        billing_day=None if s.anchor is None else s.anchor.day,
        period=None if s.period is None else period_view(s.period),
        access_until=s.access_until,
        method=None if m is None else MethodView(m.id, m.provider, m.title, m.expires_on),
        charge=None
        if c is None
        else ChargeView(c.payment_id, c.period, c.number, c.purpose, c.state, c.amount, c.requested_at, c.payment_url),
        dunning=None
        if d is None
        else DunningView(d.period, d.decline, d.reason, d.automatic, d.grace_until, d.give_up_at, d.retry_at),
        cancel_at=None if s.cancel is None else s.cancel.at,
        cancel_reason=None if s.cancel is None else s.cancel.reason,
        ended_at=None if s.ended is None else s.ended.at,
        end_reason=None if s.ended is None else s.ended.reason,
        next_action=None if appointment is None else appointment.what.name,
        next_action_at=None if appointment is None else appointment.at,
        clock_id=s.clock_id,
        metadata=s.metadata,
    )


def period_view(period: Period) -> PeriodView:
    """The period as an event shows it."""
    return PeriodView(
        period.number,
        period.life,
        period.start_at,
        period.end_at,
        period.price_id,
        period.amount,
        period.currency,
        period.status,
        period.paid_by,
    )


def _access(before: Subscription | None, after: Subscription) -> AccessView | None:
    """``None``: it did not change."""
    until_before = None if before is None else before.access_until
    had = () if before is None or until_before is None else before.price.products
    has = () if after.access_until is None else after.price.products
    if had == has and until_before == after.access_until:
        return None
    return AccessView(has, had, after.access_until, until_before)
