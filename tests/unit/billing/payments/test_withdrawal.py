"""Charges that are not sent, and charges that nobody wants any more."""

from itertools import permutations
from typing import Any

import msgspec
import pytest

from billing.messages import FollowUpOperation, Message, Observation, ProviderResult, RefundPayment, WithdrawCharge
from billing.payments.decide import decide
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import NOW, a_payment, apply, later, performed, shown, told

CHARGING = (Action.CREATE, Action.RECUR)


def a_charge(**fields: Any) -> Payment:
    return a_payment(saved_method="method-1", **fields)


def withdrawn(payment: Payment) -> WithdrawCharge:
    return WithdrawCharge(payment.id, "cancelled")


def a_withdrawn_charge() -> Payment:
    payment = a_charge()
    return apply(payment, withdrawn(payment))


def ended(payment: Payment, outcome: Outcome, reason: str | None = None, **fields: Any) -> ProviderResult:
    return performed(payment, payment.charge.id, outcome, reason=reason, **fields)


def no_such_order(payment: Payment) -> ProviderResult:
    return msgspec.structs.replace(shown(payment, None), reason="order_not_found", observed=Observation())


def refunds(payment: Payment) -> list[Operation]:
    return [operation for operation in payment.operations if operation.type is OperationType.REFUND]


def follow_up(payment: Payment) -> FollowUpOperation:
    return FollowUpOperation(payment.id, payment.charge.id, payment.charge.follow_ups)


class TestNotSent:
    @pytest.mark.parametrize("reason", ["too_late", "method_removed", "method_dead"])
    def test_a_charge_that_may_not_be_sent_any_more_fails_and_the_provider_is_asked_all_the_same(self, reason: str):
        payment = a_charge()
        decision = decide(payment, ended(payment, Outcome.NOT_SENT, reason), later(1))
        after = decision.payment
        assert after is not None
        assert (after.status, after.reason) == (PaymentStatus.FAILED, reason)
        assert [request.action for request in decision.requests] == [Action.INQUIRE]
        assert after.charge.next_follow_up_at is not None  # asked until answered
        answered = apply(after, no_such_order(after))
        assert answered.charge.next_follow_up_at is None

    def test_a_worker_that_died_after_the_call_leaves_money_that_the_question_finds(self):
        payment = a_charge()
        failed = apply(payment, ended(payment, Outcome.NOT_SENT, "too_late"))
        found = apply(failed, shown(failed, PaymentStatus.CAPTURED, captured=payment.order.amount, currency="RUB"))
        assert (found.status, found.captured) == (PaymentStatus.CAPTURED, payment.order.amount)
        assert refunds(found) == []  # nobody withdrew it

    def test_a_charge_that_goes_on_at_the_provider_is_asked_about_until_it_ends(self):
        payment = a_charge()
        failed = apply(payment, ended(payment, Outcome.NOT_SENT, "too_late"))
        going_on = apply(failed, shown(failed, PaymentStatus.PENDING))
        assert going_on.status is PaymentStatus.FAILED
        assert going_on.charge.next_follow_up_at is not None

    @pytest.mark.parametrize("before", [Outcome.UNKNOWN, Outcome.PENDING])
    @pytest.mark.parametrize("reason", ["too_late", "method_removed", "method_dead", "provider_disabled"])
    def test_a_request_that_is_delivered_twice_does_not_end_what_the_first_call_may_have_begun(
        self, before: Outcome, reason: str
    ):
        payment = a_charge()
        called = apply(payment, ended(payment, before, "timeout"))
        again = decide(called, ended(called, Outcome.NOT_SENT, reason), later(1))
        assert again.payment is called
        assert follow_up_action_of(called) is Action.INQUIRE

    def test_a_charge_that_was_not_sent_for_another_reason_is_sent_again(self):
        payment = a_charge()
        held = apply(payment, ended(payment, Outcome.NOT_SENT, "provider_disabled"))
        assert held.status is PaymentStatus.PENDING
        assert follow_up_action_of(held) is Action.RECUR
        late = apply(held, follow_up(held), ended(held, Outcome.NOT_SENT, "too_late"))
        assert (late.status, late.reason) == (PaymentStatus.FAILED, "too_late")


def follow_up_action_of(payment: Payment) -> Action:
    (request,) = decide(payment, follow_up(payment), later(60)).requests
    return request.action


class TestWithdrawn:
    def test_what_was_not_sent_fails(self):
        payment = a_charge()
        held = apply(payment, ended(payment, Outcome.NOT_SENT, "provider_disabled"))
        decision = decide(held, withdrawn(held), later(1))
        after = decision.payment
        assert after is not None
        assert (after.status, after.reason) == (PaymentStatus.FAILED, "withdrawn")
        assert [request.action for request in decision.requests] == [Action.INQUIRE]

    def test_what_is_unknown_stays_unknown_and_is_only_asked_about(self):
        payment = a_charge()
        unknown = apply(payment, ended(payment, Outcome.UNKNOWN, "timeout"), withdrawn(payment))
        assert unknown.status is PaymentStatus.PENDING
        assert unknown.charge.status is OperationStatus.UNKNOWN
        assert follow_up_action_of(unknown) is Action.INQUIRE
        gone = apply(unknown, no_such_order(unknown))
        assert (gone.status, gone.reason) == (PaymentStatus.FAILED, "withdrawn")

    def test_a_request_on_its_way_is_waited_for(self):
        payment = a_withdrawn_charge()
        assert payment.status is PaymentStatus.PENDING
        not_sent = apply(payment, ended(payment, Outcome.NOT_SENT, "provider_disabled"))
        assert (not_sent.status, not_sent.reason) == (PaymentStatus.FAILED, "withdrawn")

    def test_a_page_that_was_not_opened_is_not_opened_anywhere_else(self):
        payment = a_payment(alternatives=("stripe",))
        payment = apply(payment, withdrawn(payment))
        after = decide(payment, ended(payment, Outcome.NOT_SENT, "unreachable"), later(1))
        assert after.payment is not None
        assert after.payment.provider == payment.provider
        assert not {request.action for request in after.requests} & set(CHARGING)

    def test_a_page_whose_provider_declines_is_not_opened_at_the_next_one(self):
        payment = a_payment(alternatives=("stripe",))
        payment = apply(payment, withdrawn(payment))
        after = apply(payment, ended(payment, Outcome.DECLINED, "declined"))
        assert (after.status, after.provider) == (PaymentStatus.FAILED, payment.provider)

    def test_a_page_that_may_be_open_is_asked_about_and_not_opened_again(self):
        payment = a_payment()
        unknown = apply(payment, ended(payment, Outcome.UNKNOWN, "timeout"))
        assert follow_up_action_of(unknown) is Action.CREATE
        assert follow_up_action_of(apply(unknown, withdrawn(unknown))) is Action.INQUIRE

    def test_a_refund_that_the_provider_declines_is_left_to_a_person(self):
        payment = a_withdrawn_charge()
        paid = apply(payment, ended(payment, Outcome.SUCCEEDED, provider_ref="order-1"))
        declined = performed(paid, refunds(paid)[0].id, Outcome.DECLINED, reason="merchant_balance")
        after = apply(paid, declined, told(paid, PaymentStatus.CAPTURED))
        assert [refund.status for refund in refunds(after)] == [OperationStatus.FAIL]

    def test_a_repeat_changes_nothing(self):
        payment = a_withdrawn_charge()
        assert decide(payment, withdrawn(payment), later(9)).payment is payment

    def test_a_success_is_booked_and_given_back_whole_and_once(self):
        payment = a_withdrawn_charge()
        success = ended(payment, Outcome.SUCCEEDED, provider_ref="order-1")
        decision = decide(payment, success, later(1))
        paid = decision.payment
        assert paid is not None
        assert (paid.status, paid.captured) == (PaymentStatus.CAPTURED, payment.order.amount)
        assert [(r.action, r.amount) for r in decision.requests] == [(Action.REFUND, payment.order.amount)]
        again = apply(paid, success, told(paid, PaymentStatus.CAPTURED), withdrawn(paid))
        assert len(refunds(again)) == 1
        given_back = apply(again, performed(again, refunds(again)[0].id, Outcome.SUCCEEDED))
        assert given_back.status is PaymentStatus.REFUNDED
        assert len(refunds(apply(given_back, told(given_back, PaymentStatus.CAPTURED)))) == 1

    def test_a_success_that_comes_after_the_failure_is_asked_about_booked_and_given_back(self):
        payment = a_charge()
        held = apply(payment, ended(payment, Outcome.NOT_SENT, "unreachable"), withdrawn(payment))
        assert held.status is PaymentStatus.FAILED
        late = decide(held, ended(held, Outcome.SUCCEEDED, provider_ref="order-1"), later(1))
        assert late.payment is not None
        assert [request.action for request in late.requests] == [Action.INQUIRE]
        answer = shown(late.payment, PaymentStatus.CAPTURED, captured=payment.order.amount, currency="RUB")
        found = decide(late.payment, answer, later(2))
        assert found.payment is not None
        assert found.payment.captured == payment.order.amount
        assert [request.action for request in found.requests] == [Action.REFUND]

    def test_a_charge_that_was_captured_already_is_given_back(self):
        payment = a_charge()
        paid = apply(payment, ended(payment, Outcome.SUCCEEDED, provider_ref="order-1"))
        decision = decide(paid, withdrawn(paid), later(1))
        assert [request.action for request in decision.requests] == [Action.REFUND]

    def test_only_what_is_left_is_given_back(self):
        payment = a_charge()
        paid = apply(payment, ended(payment, Outcome.SUCCEEDED, provider_ref="order-1"))
        partly = apply(paid, RefundPayment(paid.id, paid.order.id, "asked", 900))
        after = apply(partly, withdrawn(partly))
        assert sorted(operation.amount for operation in refunds(after)) == [900, paid.order.amount - 900]

    def test_the_order_of_withdrawal_and_reports_does_not_matter(self):
        """Whatever comes first, no money is kept and nothing is given back twice."""
        payment = a_charge()
        messages: tuple[Message, ...] = (
            withdrawn(payment),
            ended(payment, Outcome.SUCCEEDED, provider_ref="order-1"),
            told(payment, PaymentStatus.CAPTURED),
            withdrawn(payment),
        )
        ends = set()
        for order in permutations(messages):
            after = apply(payment, *order)
            ends.add((after.status, after.captured, after.refund_pending, len(refunds(after))))
        assert ends == {(PaymentStatus.CAPTURED, payment.order.amount, payment.order.amount, 1)}

    def test_no_request_after_it_charges_anybody(self):
        payment = a_charge()
        after = apply(payment, ended(payment, Outcome.UNKNOWN, "timeout"), withdrawn(payment))
        actions = set()
        for second in range(1, 20):
            decision = decide(after, follow_up(after), later(600 * second))
            assert decision.payment is not None
            after = decision.payment
            actions |= {request.action for request in decision.requests}
            after = apply(after, shown(after, None, reason=None) if second % 2 else ended(after, Outcome.UNKNOWN))
        assert actions == {Action.INQUIRE}


def test_a_charge_that_was_declined_is_final_and_a_repeated_decline_asks_nobody():
    payment = a_charge()
    declined = apply(payment, ended(payment, Outcome.DECLINED, "insufficient_funds"))
    assert decide(declined, ended(declined, Outcome.DECLINED, "insufficient_funds"), NOW).requests == ()
