"""Random histories of one subscription: commands, wake-ups, and payments that end in any way, late, twice and out of order."""

import itertools
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from billing.messages import CreatePayment, Message, PaymentOutcome, RefundPayment, RollbackPayment, WithdrawCharge
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    ProviderState,
    Wake,
    When,
)
from billing.messages.subscription_events import PeriodView, SubscriptionChanged
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.decide import decide
from billing.subscriptions.methods import Method
from billing.subscriptions.model import Subscription
from billing.subscriptions.vocabulary import PeriodStatus, Status
from tests.support.subscriptions import NOW, price, subscribe

REASONS = ("insufficient_funds", "declined", "card_expired", "method_revoked", "issuer_unavailable", "invalid_request",
           "timeout", "expired")  # fmt: skip
#: Periods in these states are sold.
SOLD = (PeriodStatus.PAID, PeriodStatus.CUT)
NO_LETTER = ("invalid_request", "timeout", "too_late", "method_removed")


class Payment:
    """A payment as the payments side would keep it."""

    def __init__(self, create: CreatePayment) -> None:
        self.create = create
        self.version, self.captured, self.refunded = 1, 0, 0
        self.final = self.withdrawn = False
        self.sent: list[PaymentOutcome] = []

    def report(self, outcome: PaymentOutcome) -> PaymentOutcome:
        self.version += 1
        outcome = msgspec.structs.replace(
            outcome, payment_version=self.version, captured=self.captured, refunded=self.refunded
        )
        self.sent.append(outcome)
        return outcome


class Histories(RuleBasedStateMachine):
    """The subscription, its time, and everything that was ever said about it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.s: Subscription | None = None
        self.payments: dict[Any, Payment] = {}
        self.periods: dict[int, PeriodView] = {}
        self.removed: set[str] = set()
        self.journal: list[tuple[Message, Any]] = []

    def deliver(self, message: Message) -> SubscriptionChanged | None:
        before = self.s
        decision = decide(self.s, message, self.now)
        self.journal.append((message, self.now))
        self.s = decision.subscription
        event = decision.event
        if event is not None:
            self.check_change(before, event, message)
            self.periods |= {p.number: p for p in event.periods}
        for payment in decision.payments:
            self.take(payment)
        return event

    def check_change(self, before: Subscription | None, event: SubscriptionChanged, message: Message) -> None:
        if before is not None:
            assert event.version == before.version + 1
            assert event.changed_at > before.updated_at
        has_access = event.access_until is not None
        assert has_access == (event.status in (Status.ACTIVE, Status.PAST_DUE))
        if event.access is not None:
            assert bool(event.access.products) == has_access
        if isinstance(message, PaymentOutcome) and before is not None:
            if before.cancel is not None and event.status is not Status.ENDED:
                assert event.cancel_at == before.cancel.at
            if message.reason in NO_LETTER and before.method is not None and before.status is not Status.INCOMPLETE:
                assert event.notices == ()
                assert before.access_until is None or event.access_until >= before.access_until  # type: ignore[operator]
        letters = [n.name for n in event.notices]
        assert len(set(letters)) == len(letters), "the name of a letter is part of its message id"
        assert not ({"renewed", "recovered"} & set(letters)) or event.status is Status.ACTIVE
        assert "ended" not in letters or event.status is Status.ENDED

    def take(self, message: Message) -> None:
        if isinstance(message, CreatePayment):
            assert message.payment_id not in self.payments
            assert self.s is not None
            assert self.s.status is not Status.ENDED
            assert message.order.amount == self.s.price.amount
            assert message.saved_method not in self.removed or message.saved_method is None
            still_open = [p for p in self.payments.values() if not p.final and not p.withdrawn]
            assert not still_open, "one open attempt"
            self.payments[message.payment_id] = Payment(message)
        elif isinstance(message, (WithdrawCharge, RollbackPayment)):
            payment = self.payments[message.payment_id]
            payment.withdrawn = True
            self.give_back(payment)
        elif isinstance(message, RefundPayment):
            payment = self.payments[message.payment_id]
            assert message.amount is not None
            assert payment.refunded + message.amount <= payment.captured
            payment.refunded += message.amount
            self.deliver(payment.report(simulation.refunded(payment.create, self.now, payment.refunded)))

    def give_back(self, payment: Payment) -> None:
        if payment.captured > payment.refunded:
            payment.refunded = payment.captured
            self.deliver(payment.report(simulation.refunded(payment.create, self.now, payment.refunded)))

    @initialize()
    def begin(self) -> None:
        self.deliver(subscribe())

    @rule(hours=st.integers(0, 24 * 40))
    def pass_time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(state=st.sampled_from(ProviderState), tries=st.sampled_from((0, 0, 0, 8)))
    def wake(self, state: ProviderState, tries: int) -> None:
        assert self.s is not None
        before = len(self.payments)
        self.deliver(Wake(self.s.id, at=self.now, provider_state=state, method_tries=tries))
        assert state is ProviderState.OK or len(self.payments) == before

    @rule()
    def wake_when_due(self) -> None:
        assert self.s is not None
        appointment = next_action(self.s)
        if appointment is not None:
            self.now = max(self.now, appointment.at)
            self.deliver(Wake(self.s.id, at=self.now))

    @rule(late=st.integers(1, 30))
    def wake_with_an_old_time(self, late: int) -> None:
        assert self.s is not None
        self.deliver(Wake(self.s.id, at=self.now - timedelta(days=late)))

    @precondition(lambda self: any(not p.final for p in self.payments.values()))
    @rule(data=st.data(), reason=st.sampled_from((None, None, None, *REASONS)), saves=st.booleans())
    def settle(self, data: st.DataObject, reason: str | None, saves: bool) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if not p.final]))
        payment.final = True
        if reason is None:
            payment.captured = payment.create.order.amount
            self.deliver(payment.report(simulation.captured(payment.create, self.now, saves=saves)))
            if payment.withdrawn:
                self.give_back(payment)
        else:
            self.deliver(payment.report(simulation.failed(payment.create, self.now, reason)))

    @precondition(lambda self: any(not p.final for p in self.payments.values()))
    @rule(data=st.data(), state=st.sampled_from(("PENDING", "UNKNOWN", "NOT_SENT")))
    def learn_little(self, data: st.DataObject, state: str) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if not p.final]))
        self.deliver(payment.report(simulation.open_still(payment.create, self.now, state)))

    @precondition(lambda self: any(p.final and not p.captured for p in self.payments.values()))
    @rule(data=st.data())
    def turn_out_paid(self, data: st.DataObject) -> None:
        """A success after a failure: evidence that came late."""
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if p.final and not p.captured]))
        payment.captured = payment.create.order.amount
        self.deliver(payment.report(simulation.captured(payment.create, self.now)))
        if payment.withdrawn:
            self.give_back(payment)

    @precondition(lambda self: any(p.captured > p.refunded for p in self.payments.values()))
    @rule(data=st.data(), part=st.booleans())
    def refund_by_support(self, data: st.DataObject, part: bool) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if p.captured > p.refunded]))
        left = payment.captured - payment.refunded
        payment.refunded += min(100, left) if part else left
        self.deliver(payment.report(simulation.refunded(payment.create, self.now, payment.refunded)))

    @precondition(lambda self: any(p.captured and not p.refunded for p in self.payments.values()))
    @rule(data=st.data())
    def turn_out_unpaid(self, data: st.DataObject) -> None:
        """An operator corrects a capture that never was."""
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if p.captured and not p.refunded]))
        payment.captured = 0
        self.deliver(payment.report(simulation.failed(payment.create, self.now, "corrected")))

    @precondition(lambda self: any(p.sent for p in self.payments.values()))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        payment = data.draw(st.sampled_from([p for p in self.payments.values() if p.sent]))
        self.deliver(data.draw(st.sampled_from(payment.sent)))

    @rule(when=st.sampled_from(When))
    def cancel(self, when: When) -> None:
        assert self.s is not None
        self.deliver(CancelSubscription(self.s.id, command_id=uuid4(), when=when))

    @rule()
    def keep(self) -> None:
        assert self.s is not None
        self.deliver(KeepSubscription(self.s.id, command_id=uuid4()))

    @rule()
    def pay_now(self) -> None:
        assert self.s is not None
        self.deliver(PayNow(self.s.id, command_id=uuid4(), provider="yookassa"))

    @rule()
    def change_method(self) -> None:
        assert self.s is not None
        method = Method(uuid4(), "yookassa", f"ref {uuid4()}")
        self.deliver(ChangeMethod(self.s.id, command_id=uuid4(), method=method))

    @precondition(lambda self: self.s is not None and self.s.method is not None)
    @rule()
    def remove_method(self) -> None:
        assert self.s is not None
        assert self.s.method is not None
        self.removed.add(self.s.method.ref)
        self.deliver(MethodRemoved(self.s.id, method_id=self.s.method.id, at=self.now))

    @rule(days=st.integers(-3, 20))
    def extend(self, days: int) -> None:
        assert self.s is not None
        until = self.now + timedelta(days=days)
        self.deliver(ExtendPeriod(self.s.id, command_id=uuid4(), until=until, operator="anna", reason="x"))

    @rule(replace=st.booleans())
    def subscribe_again(self, replace: bool) -> None:
        self.deliver(subscribe(price=price(), replace=replace))

    @invariant()
    def sold_time_does_not_overlap(self) -> None:
        sold = sorted((p.start_at, p.end_at) for p in self.periods.values() if p.status in SOLD)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(sold))

    @invariant()
    def somebody_looks_after_it(self) -> None:
        if self.s is not None:
            assert (next_action(self.s) is None) == (self.s.status is Status.ENDED)
            open_ones = [p for p in self.payments.values() if not p.final and not p.withdrawn]
            charge = self.s.charge
            assert [p.create.payment_id for p in open_ones] == ([] if charge is None else [charge.payment_id])

    @invariant()
    def no_period_is_paid_twice(self) -> None:
        kept: dict[int, int] = {}
        for payment in self.payments.values():
            ref = payment.create.order.subscription
            assert ref is not None
            if payment.captured > payment.refunded:
                kept[ref.period] = kept.get(ref.period, 0) + 1
        assert all(number == 1 for number in kept.values()), kept

    @invariant()
    def what_was_kept_was_sold(self) -> None:
        money = sum(p.captured - p.refunded for p in self.payments.values())
        paid_for = {p.paid_by for p in self.periods.values() if p.status in SOLD}
        sold = sum(p.captured - p.refunded for id, p in self.payments.items() if id in paid_for)
        assert money == sold

    def teardown(self) -> None:
        """The journal, decided again, gives the same subscription."""
        state: Subscription | None = None
        for message, now in self.journal:
            state = decide(state, message, now).subscription
        assert state == self.s


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
