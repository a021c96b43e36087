"""What follows from a message to a subscription."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from billing.messages import CreatePayment, RefundPayment, ReportOutcome, RollbackPayment, WithdrawCharge
from billing.messages.base import ReplyTo
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    ProviderState,
    When,
)
from billing.subscriptions import simulation
from billing.subscriptions.agenda import next_action
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.decision import Decision
from billing.subscriptions.methods import Method
from billing.subscriptions.prices import RefundRule
from billing.subscriptions.vocabulary import AttemptState, Decline, EndReason, PeriodStatus, Purpose, Status, Trigger
from tests.support.subscriptions import NOW, World, active, price, subscribe

DAY = timedelta(days=1)
FIRST_END = datetime(2026, 2, 28, 7, 0, tzinfo=UTC)
SECOND_END = datetime(2026, 3, 31, 7, 0, tzinfo=UTC)
SLACK = timedelta(hours=72)


def command(world: World, kind: type, **values: object):
    return world.send(kind(world.subscription.id, command_id=uuid4(), **values))


def declined(reason: str = "insufficient_funds") -> World:
    world = active()
    world.until_charge()
    world.fail(reason)
    return world


class TestSubscribe:
    def test_opens_a_page_that_saves_the_method_and_gives_no_access_yet(self) -> None:
        world = World()
        decision = world.send(subscribe())
        assert (world.subscription.status, world.subscription.access_until) == (Status.INCOMPLETE, None)
        assert (world.last.save_method, world.last.saved_method) == (True, None)
        assert world.last.order.amount == 39_900
        assert decision.consent is not None
        assert decision.event is not None
        assert decision.event.access is None

    def test_is_active_with_access_and_a_letter_when_it_is_paid(self) -> None:
        world = active()
        s = world.subscription
        assert (s.status, s.period and s.period.end_at) == (Status.ACTIVE, FIRST_END)
        assert s.access_until == FIRST_END + SLACK
        assert s.method is not None
        assert world.notices == ["started"]
        event = world.decisions[-1].event
        assert event is not None
        assert event.movement == "NEW"
        assert event.arr_after == 12 * 39_900

    def test_twice_under_one_key_is_one_first_payment(self) -> None:
        world = World()
        first = subscribe()
        world.send(first)
        repeat = world.send(msgspec.structs.replace(first, reply_to=ReplyTo(0, "again")))
        assert len(world.asked) == 1
        assert repeat.refusal is None
        world.pay()
        assert world.decisions[-1].reply is not None

    def test_with_another_body_under_one_key_is_refused(self) -> None:
        world = World()
        first = subscribe()
        world.send(first)
        refusal = world.send(msgspec.structs.replace(first, fingerprint="two")).refusal
        assert refusal is not None
        assert refusal.code == "idempotency_key_reused"

    def test_again_while_the_first_payment_is_open_is_refused_or_replaces_it(self) -> None:
        world = World()
        world.send(subscribe())
        refusal = world.send(subscribe()).refusal
        assert refusal is not None
        assert refusal.code == "first_payment_open"
        first = world.last
        world.send(subscribe(replace=True))
        assert [type(p) for p in world.payments] == [CreatePayment, RollbackPayment, CreatePayment]
        # The customer paid the first page in the same moment: it is given back, the second is to be paid.
        world.pay(first)
        assert world.payments[-1] == WithdrawCharge(first.payment_id, "not to be paid any more")
        assert world.subscription.status is Status.INCOMPLETE
        world.pay()
        assert world.subscription.status is Status.ACTIVE

    def test_again_while_it_lives_is_refused(self) -> None:
        refusal = active().send(subscribe()).refusal
        assert refusal is not None
        assert refusal.code == "already_subscribed"

    def test_ends_where_the_first_payment_fails_and_may_begin_again_in_the_next_life(self) -> None:
        world = World()
        world.send(subscribe())
        world.fail("insufficient_funds")
        assert world.subscription.ended is not None
        assert world.subscription.ended.reason is EndReason.NEVER_STARTED
        assert world.notices == []
        world.send(subscribe())
        assert world.asked[0].payment_id != world.asked[1].payment_id
        world.pay()
        assert (world.subscription.life, world.subscription.status) == (2, Status.ACTIVE)

    def test_without_a_saved_method_ends_with_its_period_and_says_so(self) -> None:
        world = World()
        world.send(subscribe())
        world.pay(saves=False)
        cancel = world.subscription.cancel
        assert cancel is not None
        assert (cancel.at, cancel.reason) == (FIRST_END, EndReason.NO_METHOD)
        assert world.subscription.access_until == FIRST_END
        assert world.notices == ["started", "renewal_off"]

    def test_replies_when_the_page_is_there(self) -> None:
        world = World()
        assert world.send(subscribe(reply_to=ReplyTo(3, "caller"))).reply is None
        pending = simulation.open_still(world.last, world.now)
        assert world.send(pending).reply is None
        shown = world.send(msgspec.structs.replace(pending, payment_url="https://pay.example/1", payment_version=2))
        assert shown.reply is not None
        assert shown.reply_partition == 3
        snapshot = shown.reply.subscription
        assert snapshot is not None
        assert snapshot.charge is not None
        assert snapshot.charge.payment_url == "https://pay.example/1"
        assert world.pay(version=3).reply is None


class TestRenewal:
    def test_is_charged_after_the_end_in_day_hours_and_renewed_from_the_old_end(self) -> None:
        world = active()
        payment = world.until_charge()
        assert FIRST_END <= world.now <= FIRST_END + timedelta(hours=13)
        assert 8 <= (world.now + timedelta(hours=3)).hour <= 22
        assert (payment.saved_method, payment.save_method) == (world.subscription.method.ref, False)  # type: ignore[union-attr]
        assert payment.not_after == world.now + DAY
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert (period.number, period.start_at, period.end_at) == (2, FIRST_END, SECOND_END)
        assert world.notices == ["started", "renewal_ahead", "renewed"]

    def test_wakes_without_effect_when_nothing_is_due(self) -> None:
        world = active()
        assert world.wake().event is None

    def test_is_asked_for_once_however_often_it_is_woken(self) -> None:
        world = active()
        world.until_charge()
        world.wake()
        world.pass_time(timedelta(minutes=5))
        world.wake()
        assert len(world.asked) == 2

    def test_goes_on_for_two_years_on_the_anchors_day(self) -> None:
        world = active()
        for _ in range(24):
            world.until_charge()
            world.pay()
        period = world.subscription.period
        assert period is not None
        assert (period.number, period.end_at.date()) == (25, date(2028, 2, 29))
        assert len(world.asked) == 25

    def test_blocked_by_an_unknown_outcome_keeps_access_writes_no_letter_and_makes_no_other_try(self) -> None:
        world = active()
        world.until_charge()
        world.send(simulation.open_still(world.last, world.now, "UNKNOWN"))
        letters = list(world.notices)
        for _ in range(10):
            world.until_next()
            assert world.subscription.access_until is not None
            assert world.subscription.access_until > world.now
        assert (len(world.asked), world.notices) == (2, letters)
        assert any(isinstance(p, ReportOutcome) for p in world.payments)

    def test_of_an_unknown_outcome_that_turns_out_late_starts_when_it_is_paid(self) -> None:
        world = active()
        world.until_charge()
        world.send(simulation.open_still(world.last, world.now, "UNKNOWN"))
        world.pass_time(5 * DAY)
        world.wake()
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert period.start_at == world.now

    def test_waits_for_a_provider_that_is_off_and_keeps_access(self) -> None:
        world = active()
        letters = ["started", "renewal_ahead"]
        while len(world.notices) < 2:
            world.until_next()
        for _ in range(20):
            world.pass_time(timedelta(hours=6))
            world.wake(provider_state=ProviderState.OFF)
            assert world.subscription.access_until is not None
            assert world.subscription.access_until > world.now
        assert (len(world.asked), world.notices) == (1, letters)
        world.wake()
        assert len(world.asked) == 2

    def test_that_failed_by_a_fault_of_ours_is_tried_again_without_dunning(self) -> None:
        world = active()
        for _ in range(6):
            world.until_charge()
            world.fail("invalid_request")
            assert world.subscription.status is Status.ACTIVE
            assert world.subscription.access_until is not None
            assert world.subscription.access_until > world.now
        assert "payment_failed" not in world.notices
        world.until_charge()
        world.pay()
        assert world.subscription.faults == 0

    def test_old_news_of_a_payment_change_nothing(self) -> None:
        world = active()
        payment = world.until_charge()
        world.send(simulation.open_still(payment, world.now, "UNKNOWN", version=3))
        assert world.send(simulation.open_still(payment, world.now, version=2)).event is None
        world.pay(version=4)
        assert world.send(simulation.captured(payment, world.now, version=4)).event is None
        assert world.send(simulation.open_still(payment, world.now, version=3)).event is None


class TestDunning:
    def test_of_a_soft_decline_is_the_documented_example(self) -> None:
        world = active()
        world.until_charge()
        world.pay()
        world.until_charge()
        first = world.now
        world.fail("insufficient_funds")
        s = world.subscription
        assert s.dunning is not None
        assert s.status is Status.PAST_DUE
        assert s.dunning.grace_until == SECOND_END + 3 * DAY == s.access_until
        assert s.dunning.give_up_at == SECOND_END + 21 * DAY
        made = []
        while s.status is not Status.ENDED:
            before = len(world.asked)
            world.until_next()
            if len(world.asked) > before:
                made.append((world.now - first).days)
                world.fail("insufficient_funds")
            s = world.subscription
        assert made == [1, 3, 6, 10, 14, 20]
        assert s.ended is not None
        assert (s.ended.reason, s.ended.at) == (EndReason.NON_PAYMENT, SECOND_END + 21 * DAY)
        assert world.notices == [
            "started",
            "renewal_ahead",
            "renewed",
            "renewal_ahead",
            "payment_failed",
            "on_hold",
            "last_notice",
            "ended",
        ]

    def test_recovered_in_grace_keeps_the_day(self) -> None:
        world = declined()
        world.until_charge()
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert (period.start_at, period.end_at) == (FIRST_END, SECOND_END)
        assert world.notices[-2:] == ["payment_failed", "recovered"]

    def test_recovered_on_hold_starts_anew(self) -> None:
        world = declined()
        while world.subscription.status is not Status.ON_HOLD:
            world.until_next()
            if world.subscription.charge is not None:
                world.fail("insufficient_funds")
        assert world.subscription.access_until is None
        world.until_charge()
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert period.start_at == world.now
        assert world.subscription.status is Status.ACTIVE

    @pytest.mark.parametrize(
        ("reason", "tries", "letter"),
        [
            ("insufficient_funds", 6, "payment_failed"),
            ("declined", 2, "payment_failed"),
            ("authentication_required", 0, "action_needed"),
            ("card_expired", 0, "action_needed"),
            ("method_revoked", 0, "action_needed"),
            ("fraud_suspected", 0, "action_needed"),
        ],
    )
    def test_tries_again_by_the_class_of_the_decline(self, reason: str, tries: int, letter: str) -> None:
        world = declined(reason)
        assert world.notices[-1] == letter
        while world.subscription.status is not Status.ENDED:
            world.until_next()
            if world.subscription.charge is not None:
                world.fail(reason)
        assert len(world.asked) == 2 + tries

    def test_of_a_bank_that_did_not_answer_writes_only_after_the_second_try(self) -> None:
        world = declined("issuer_unavailable")
        assert world.notices[-1] == "renewal_ahead"
        world.until_charge()
        world.fail("issuer_unavailable")
        assert world.notices[-1] == "payment_failed"

    @pytest.mark.parametrize("reason", ["rolled_back", "withdrawn", "expired"])
    def test_does_not_begin_for_a_charge_that_was_closed_before_a_bank_saw_it(self, reason: str) -> None:
        world = active()
        world.until_charge()
        decision = world.fail(reason)
        assert world.subscription.status is Status.ACTIVE
        assert decision.event is not None
        assert [a.decline for a in decision.event.attempts] == [Decline.OURS]

    def test_asks_for_the_customer_in_one_letter_though_a_late_wake_up_finds_two_reasons(self) -> None:
        world = active(price=price(299_000, Cadence(Unit.YEAR)))
        world.until_charge()
        world.fail("insufficient_funds")
        world.pass_time(6 * DAY + timedelta(hours=6))
        decision = world.wake(method_tries=8)
        assert decision.event is not None
        assert [n.name for n in decision.event.notices] == ["action_needed"]
        world.wake()
        assert world.notices.count("action_needed") == 1

    def test_waits_for_the_outcome_of_an_open_charge_before_it_takes_access_away_or_ends(self) -> None:
        world = declined()
        world.until_charge()
        world.send(simulation.open_still(world.last, world.now, "UNKNOWN"))
        world.pass_time(40 * DAY)
        for _ in range(3):
            world.wake()
        assert world.subscription.status is Status.PAST_DUE
        assert "ended" not in world.notices

    def test_does_not_end_for_a_provider_that_is_off(self) -> None:
        world = declined()
        world.pass_time(2 * DAY)
        world.wake(provider_state=ProviderState.OFF)
        world.pass_time(2 * DAY)
        world.wake(provider_state=ProviderState.HELD)
        assert world.subscription.status is Status.PAST_DUE
        assert world.subscription.access_until is not None
        assert world.subscription.access_until > world.now
        world.wake()
        assert world.subscription.charge is not None

    def test_leaves_a_method_alone_that_was_tried_too_often(self) -> None:
        world = declined()
        world.until_next(method_tries=8)
        assert world.subscription.charge is None
        assert world.subscription.dunning is not None
        assert world.subscription.dunning.retry_at is None
        assert world.notices[-1] == "action_needed"

    def test_leaves_a_method_alone_that_was_tried_today(self) -> None:
        world = declined()
        world.pass_time(DAY)
        world.wake(method_tried_at=world.now - timedelta(hours=2))
        assert world.subscription.charge is None
        world.until_charge()

    def test_charges_a_new_method_at_once(self) -> None:
        world = declined("card_expired")
        new = Method(uuid4(), "stripe", "pm_new", "Visa *4242")
        command(world, ChangeMethod, method=new)
        assert (world.last.saved_method, world.last.provider) == ("pm_new", "stripe")
        world.pay()
        assert world.subscription.status is Status.ACTIVE

    def test_is_paid_by_the_customer_on_a_page_whose_method_is_kept(self) -> None:
        world = declined("authentication_required")
        command(world, PayNow, provider="yookassa")
        assert (world.last.save_method, world.last.order.subscription.purpose) == (True, "PAY")  # type: ignore[union-attr]
        world.pay()
        s = world.subscription
        assert s.status is Status.ACTIVE
        assert s.method is not None
        assert s.method.ref == f"method of {world.last.payment_id}"

    def test_goes_on_when_the_customer_leaves_the_page(self) -> None:
        world = declined()
        before = world.subscription.dunning
        command(world, PayNow, provider="yookassa")
        world.fail("expired")
        assert world.subscription.dunning == before

    def test_pay_now_waits_for_an_open_charge(self) -> None:
        world = declined()
        world.until_charge()
        refusal = command(world, PayNow, provider="yookassa").refusal
        assert refusal is not None
        assert refusal.code == "charge_open"

    @pytest.mark.parametrize("on_a_page", [True, False])
    def test_a_customer_tries_five_times_a_day_whatever_the_schedule_has_tried(self, on_a_page: bool) -> None:
        world = declined()

        def try_to_pay() -> Decision:
            if on_a_page:
                return command(world, PayNow, provider="yookassa")
            return command(world, ChangeMethod, method=Method(uuid4(), "yookassa", str(uuid4())))

        first = world.now
        for _ in range(5):
            assert try_to_pay().refusal is None
            world.fail("expired" if on_a_page else "card_expired")
            world.pass_time(timedelta(minutes=1))
        before = world.subscription
        refusal = try_to_pay().refusal
        assert refusal is not None
        assert refusal.code == "too_many_tries"
        assert f"{first + DAY:%Y-%m-%dT%H:%M:%SZ}" in refusal.detail
        assert world.subscription == before
        world.pass_time(first + DAY - world.now)
        assert try_to_pay().refusal is None

    def test_faults_of_ours_use_up_none_of_the_customers_tries(self) -> None:
        world = declined()
        for _ in range(6):
            change = command(world, ChangeMethod, method=Method(uuid4(), "yookassa", str(uuid4())))
            assert change.refusal is None
            world.fail("invalid_request")

    def test_nothing_is_due_while_it_is_paid(self) -> None:
        refusal = command(active(), PayNow, provider="yookassa").refusal
        assert refusal is not None
        assert refusal.code == "nothing_due"


class TestCancel:
    def test_now_at_the_moment_in_which_the_period_began_sells_no_negative_time(self) -> None:
        world = active()
        assert world.subscription.period is not None
        assert world.now == world.subscription.period.start_at, "as by a test clock, which stands still"
        decision = command(world, CancelSubscription, when=When.NOW, refund=RefundRule.FULL)
        period = world.subscription.period
        assert (world.subscription.status, period.status) == (Status.ENDED, PeriodStatus.CUT)
        assert period.end_at > period.start_at
        assert [p.amount for p in decision.payments if isinstance(p, RefundPayment)] == [39_900]

    def test_at_the_end_keeps_access_exactly_until_then_and_charges_no_more(self) -> None:
        world = active()
        world.pass_time(10 * DAY)
        command(world, CancelSubscription)
        assert world.subscription.access_until == FIRST_END
        assert world.notices == ["started", "cancelled"]
        world.until_next()
        assert world.subscription.ended is not None
        assert (world.now, world.subscription.ended.reason) == (FIRST_END, EndReason.CANCELLED)
        assert (len(world.asked), world.notices[-1]) == (1, "ended")

    def test_is_taken_back(self) -> None:
        world = active()
        command(world, CancelSubscription)
        command(world, KeepSubscription)
        assert world.subscription.access_until == FIRST_END + SLACK
        world.until_charge()

    @pytest.mark.parametrize(
        ("rule", "back"), [(RefundRule.PRORATED, 19_950), (RefundRule.FULL, 39_900), (RefundRule.NONE, 0)]
    )
    def test_now_gives_back_what_the_price_says(self, rule: RefundRule, back: int) -> None:
        world = active(price=price(refund_on_cancel=rule))
        world.pass_time(14 * DAY)
        command(world, CancelSubscription, when=When.NOW)
        s = world.subscription
        assert (s.status, s.access_until) == (Status.ENDED, None)
        assert s.period is not None
        assert (s.period.status, s.period.end_at) == (PeriodStatus.CUT, world.now)
        assert [p.amount for p in world.payments if isinstance(p, RefundPayment)] == ([back] if back else [])

    def test_in_dunning_ends_at_once_and_nothing_is_owed(self) -> None:
        world = declined()
        command(world, CancelSubscription)
        assert world.subscription.status is Status.ENDED
        assert not any(isinstance(p, RefundPayment) for p in world.payments)

    def test_after_the_end_withdraws_the_charge_on_its_way_and_gives_a_late_success_back(self) -> None:
        world = active()
        payment = world.until_charge()
        command(world, CancelSubscription)
        assert world.subscription.status is Status.ENDED
        assert world.payments[-1] == WithdrawCharge(payment.payment_id, "withdrawn")
        world.pay(payment)
        assert world.subscription.status is Status.ENDED
        assert world.subscription.attempts[-1].state is AttemptState.STRAY
        assert world.notices[-1] == "refunded"

    def test_before_the_first_payment_closes_its_page(self) -> None:
        world = World()
        world.send(subscribe())
        command(world, CancelSubscription)
        assert isinstance(world.payments[-1], RollbackPayment)
        world.fail("rolled_back")
        assert world.subscription.status is Status.ENDED


class TestMethod:
    def test_removed_ends_the_subscription_with_its_period(self) -> None:
        world = active()
        assert world.subscription.method is not None
        world.send(MethodRemoved(world.subscription.id, method_id=world.subscription.method.id, at=world.now))
        assert world.notices[-1] == "renewal_off"
        world.until_next()
        assert world.subscription.ended is not None
        assert world.subscription.ended.reason is EndReason.NO_METHOD
        assert len(world.asked) == 1

    def test_another_one_removed_changes_nothing(self) -> None:
        world = active()
        assert world.send(MethodRemoved(world.subscription.id, method_id=uuid4(), at=world.now)).event is None

    def test_removed_during_a_charge_leaves_the_decision_to_its_outcome(self) -> None:
        for reason, status in ((None, Status.ACTIVE), ("method_removed", Status.ENDED)):
            world = active()
            world.until_charge()
            assert world.subscription.method is not None
            world.send(MethodRemoved(world.subscription.id, method_id=world.subscription.method.id, at=world.now))
            if reason is None:
                world.pay()
                assert world.subscription.cancel is not None
            else:
                world.fail(reason)
            assert world.subscription.status is status

    def test_refused_by_the_gate_before_the_removal_is_known_here_ends_it_without_dunning(self) -> None:
        world = active()
        world.until_charge()
        world.fail("method_removed")
        assert world.subscription.status is Status.ENDED
        assert "action_needed" not in world.notices

    def test_declined_for_good_in_another_subscription_asks_the_customer_for_another(self) -> None:
        world = active()
        world.until_charge()
        world.fail("method_dead")
        assert world.subscription.status is Status.PAST_DUE
        assert world.subscription.dunning is not None
        assert world.subscription.dunning.retry_at is None
        assert world.notices[-1] == "action_needed"

    def test_changed_twice_by_one_command_is_answered_at_once_though_the_renewal_is_open(self) -> None:
        world = declined("card_expired")
        change = ChangeMethod(
            world.subscription.id,
            command_id=uuid4(),
            method=Method(uuid4(), "stripe", "pm_new"),
            reply_to=ReplyTo(1, "a"),
        )
        assert world.send(change).reply is not None
        repeat = world.send(change)
        assert repeat.reply is not None
        assert repeat.reply.replayed

    def test_named_after_a_removal_renews_again(self) -> None:
        world = active()
        assert world.subscription.method is not None
        world.send(MethodRemoved(world.subscription.id, method_id=world.subscription.method.id, at=world.now))
        command(world, ChangeMethod, method=Method(uuid4(), "yookassa", "new"))
        assert world.until_charge().saved_method == "new"

    def test_that_expires_before_the_next_charge_is_announced_once(self) -> None:
        world = active()
        expiring = Method(uuid4(), "yookassa", "old", "Mir *4242", date(2026, 2, 10))
        command(world, ChangeMethod, method=expiring)
        world.until_charge()
        assert world.notices.count("method_expiring") == 1


class TestLateMoney:
    def test_of_a_charge_believed_to_have_failed_pays_its_period(self) -> None:
        world = declined()
        world.pay(world.last)
        period = world.subscription.period
        assert (world.subscription.status, period and period.number) == (Status.ACTIVE, 2)

    def test_of_a_period_paid_by_another_attempt_is_given_back(self) -> None:
        world = declined()
        failed = world.last
        world.until_charge()
        world.pay()
        world.pay(failed)
        assert world.payments[-1] == WithdrawCharge(failed.payment_id, "not to be paid any more")
        assert world.send(simulation.captured(failed, world.now, version=5)).payments == ()

    def test_while_another_attempt_is_open_withdraws_that_one(self) -> None:
        world = declined()
        failed = world.last
        open_one = world.until_charge()
        world.pay(failed)
        assert world.subscription.status is Status.ACTIVE
        assert WithdrawCharge(open_one.payment_id, "withdrawn") in world.payments

    def test_a_whole_refund_of_the_running_period_ends_it(self) -> None:
        world = active()
        decision = world.send(simulation.refunded(world.last, world.now, 39_900))
        assert world.subscription.ended is not None
        assert world.subscription.ended.reason is EndReason.REFUNDED
        assert decision.event is not None
        (letter,) = decision.event.notices
        assert (letter.name, letter.amount, letter.access_until) == ("refunded", 39_900, None)

    def test_a_refund_in_part_touches_no_time(self) -> None:
        world = active()
        world.send(simulation.refunded(world.last, world.now, 100))
        assert world.subscription.status is Status.ACTIVE
        command(world, CancelSubscription, when=When.NOW, refund=RefundRule.FULL)
        refund = world.payments[-1]
        assert isinstance(refund, RefundPayment)
        assert refund.amount == 39_800

    def test_a_chargeback_of_the_running_period_ends_it_and_nothing_is_charged_again(self) -> None:
        world = active()
        decision = world.send(simulation.charged_back(world.last, world.now, 39_900))
        s = world.subscription
        assert s.ended is not None
        assert (s.ended.reason, s.access_until, next_action(s)) == (EndReason.CHARGEBACK, None, None)
        assert decision.event is not None
        assert decision.event.notices == ()

    def test_a_chargeback_of_an_earlier_period_ends_it_too(self) -> None:
        world = active()
        first = world.last
        world.until_charge()
        world.pay()
        world.send(simulation.charged_back(first, world.now, 39_900, version=7))
        assert world.subscription.ended is not None
        assert world.subscription.ended.reason is EndReason.CHARGEBACK

    def test_a_chargeback_in_part_ends_nothing(self) -> None:
        world = active()
        world.send(simulation.charged_back(world.last, world.now, 39_899))
        assert world.subscription.status is Status.ACTIVE

    def test_a_refund_of_a_period_long_ago_gives_nothing_more_back(self) -> None:
        world = active()
        first = world.last
        for _ in range(15):
            world.until_charge()
            world.pay()
        decision = world.send(simulation.refunded(first, world.now, 100, version=9))
        assert decision.payments == ()
        assert world.subscription.status is Status.ACTIVE

    def test_a_payment_that_turns_out_not_captured_is_collected_again(self) -> None:
        world = active()
        world.send(simulation.failed(world.last, world.now, "corrected", version=3))
        s = world.subscription
        assert s.status is Status.PAST_DUE
        assert s.period is not None
        assert s.period.status is PeriodStatus.OPEN
        world.until_charge()
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert (period.number, period.end_at, period.status) == (1, FIRST_END, PeriodStatus.PAID)


class TestExtend:
    def test_moves_the_end_and_the_billing_day(self) -> None:
        world = active()
        until = datetime(2026, 3, 10, 7, 0, tzinfo=UTC)
        command(world, ExtendPeriod, until=until, operator="anna", reason="outage")
        world.until_charge()
        assert world.now >= until
        world.pay()
        period = world.subscription.period
        assert period is not None
        assert (period.start_at, period.end_at) == (until, until.replace(month=4))

    def test_ends_a_dunning(self) -> None:
        world = declined()
        command(world, ExtendPeriod, until=world.now + 5 * DAY, operator="anna", reason="goodwill")
        assert (world.subscription.status, world.subscription.dunning) == (Status.ACTIVE, None)

    def test_withdraws_the_charge_that_is_open(self) -> None:
        world = active()
        payment = world.until_charge()
        command(world, ExtendPeriod, until=world.now + 5 * DAY, operator="anna", reason="goodwill")
        assert world.payments[-1] == WithdrawCharge(payment.payment_id, "withdrawn")
        assert world.subscription.charge is None

    def test_never_shortens(self) -> None:
        refusal = command(active(), ExtendPeriod, until=NOW + DAY, operator="anna", reason="x").refusal
        assert refusal is not None
        assert refusal.code == "invalid_end"


def test_purposes_and_triggers_of_the_attempts_tell_who_asked() -> None:
    world = declined()
    world.until_charge()
    world.fail("insufficient_funds")
    command(world, PayNow, provider="yookassa")
    world.pay()
    seen = [(a.purpose, a.trigger, a.state) for a in world.subscription.attempts]
    assert seen == [
        (Purpose.FIRST, Trigger.CUSTOMER, AttemptState.PAID),
        (Purpose.RENEWAL, Trigger.SCHEDULE, AttemptState.FAILED),
        (Purpose.RENEWAL, Trigger.RETRY, AttemptState.FAILED),
        (Purpose.PAY, Trigger.CUSTOMER, AttemptState.PAID),
    ]
