"""When a provider is asked: the schedule moves on answers, and a question without one is repeated soon."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import (
    ExpirePayment,
    FollowUpOperation,
    Observation,
    ProviderResult,
    RefundPayment,
    VoidPayment,
)
from billing.payments.decide import decide
from billing.payments.follow_ups import PENDING_SCHEDULE, REPEAT_AT_LAST
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, CaptureMode, OperationStatus, Outcome, PaymentStatus
from tests.support.factories import NOW, a_payment, apply, authorized, captured, later, opened, performed, shown, unpaid

HOUR = timedelta(hours=1)


def asked(payment: Payment, at: datetime) -> Payment:
    """A follow-up that was due."""
    decision = decide(payment, FollowUpOperation(payment.id, payment.charge.id, payment.charge.follow_ups), at)
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    assert decision.payment is not None
    return decision.payment


def no_answer(payment: Payment, outcome: Outcome, reason: str) -> ProviderResult:
    return ProviderResult(payment.id, payment.charge.id, payment.provider, Action.INQUIRE, outcome, reason=reason)


def due(payment: Payment) -> datetime:
    at = payment.charge.next_follow_up_at
    assert at is not None
    return at


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.NOT_SENT, "breaker_open"),
        (Outcome.NOT_SENT, "provider_disabled"),
        (Outcome.NOT_SENT, "unreachable"),
        (Outcome.UNKNOWN, "timeout"),
        (Outcome.UNKNOWN, "http_503"),
    ],
)
def test_an_hour_without_answers_leaves_the_schedule_where_it_was(outcome: Outcome, reason: str):
    payment = unpaid(payment_ttl_s=86_400)
    now = due(payment)
    assert now == NOW + PENDING_SCHEDULE[0]
    while now < NOW + 2 * HOUR:
        payment = asked(payment, now)
        payment = apply(payment, no_answer(payment, outcome, reason), at=now)
        assert now < due(payment) <= now + REPEAT_AT_LAST, "asked within a minute of the return, whenever that is"
        now = due(payment)
    payment = apply(asked(payment, now), shown(payment, PaymentStatus.PENDING), at=now)
    assert due(payment) == now + PENDING_SCHEDULE[1]


def test_a_question_whose_result_never_comes_is_repeated():
    payment = asked(unpaid(), later(600))
    assert later(600) < due(payment) <= later(660)


def test_questions_to_one_provider_are_spread():
    repeated = set()
    for _ in range(20):
        payment = asked(unpaid(), later(600))
        repeated.add(due(apply(payment, no_answer(payment, Outcome.UNKNOWN, "timeout"), at=later(600))))
    assert len(repeated) > 10


def test_a_provider_that_wants_no_requests_gets_none():
    payment = asked(unpaid(), later(600))
    busy = ProviderResult(
        payment.id, payment.charge.id, payment.provider, Action.INQUIRE, Outcome.NOT_SENT,
        reason="rate_limited", retry_after_s=300,
    )  # fmt: skip
    assert due(apply(payment, busy, at=later(600))) == later(900)


def test_an_answer_that_the_provider_does_not_know_yet_counts_as_one():
    payment = asked(unpaid(payment_ttl_s=86_400), later(600))
    payment = apply(payment, no_answer(payment, Outcome.UNKNOWN, "unknown_status"), at=later(600))
    assert due(payment) == later(600) + PENDING_SCHEDULE[1]


def test_calls_that_could_not_be_sent_are_sent_again_within_a_minute_however_long_it_takes():
    payment = a_payment(payment_ttl_s=86_400)
    now = NOW
    for _ in range(50):
        payment = apply(payment, opened(payment, outcome=Outcome.NOT_SENT, provider_ref=None, payment_url=None), at=now)
        assert due(payment) <= now + REPEAT_AT_LAST
        now = due(payment)
        decision = decide(payment, FollowUpOperation(payment.id, payment.charge.id, payment.charge.follow_ups), now)
        assert [request.action for request in decision.requests] == [Action.CREATE]
        assert decision.payment is not None
        payment = decision.payment


def test_an_unpaid_payment_is_asked_about_when_its_time_is_over():
    payment = unpaid(payment_ttl_s=900)
    payment = apply(asked(payment, later(600)), shown(payment, PaymentStatus.PENDING), at=later(601))
    assert due(payment) == payment.expires_at
    decision = decide(payment, ExpirePayment(payment.id), payment.expires_at)
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    expired = apply(decision.payment, shown(payment, PaymentStatus.PENDING), at=payment.expires_at)
    assert (expired.status, expired.charge.next_follow_up_at) == (PaymentStatus.EXPIRED, None)


def test_a_payment_that_never_reached_the_provider_expires_once_the_provider_has_no_such_order():
    payment = a_payment(payment_ttl_s=900)
    payment = apply(payment, opened(payment, outcome=Outcome.NOT_SENT, provider_ref=None, payment_url=None))
    payment = apply(payment, ExpirePayment(payment.id), at=payment.expires_at)
    not_there = ProviderResult(
        payment.id, payment.charge.id, payment.provider, Action.INQUIRE, Outcome.SUCCEEDED,
        reason="order_not_found", observed=Observation(),
    )  # fmt: skip
    assert apply(payment, not_there, at=payment.expires_at).status is PaymentStatus.EXPIRED


def test_a_hold_is_asked_about_when_the_provider_ends_it():
    payment = apply(a := a_payment(capture_mode=CaptureMode.TWO_STAGE), opened(a))
    payment = apply(payment, shown(payment, PaymentStatus.AUTHORIZED, hold_until=later(7200)))
    assert (payment.status, due(payment)) == (PaymentStatus.AUTHORIZED, later(7200))
    decision = decide(payment, ExpirePayment(payment.id), later(7200))
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    ended = apply(decision.payment, shown(payment, PaymentStatus.VOIDED), at=later(7201))
    assert (ended.status, ended.charge.next_follow_up_at) == (PaymentStatus.VOIDED, None)


def test_a_hold_without_an_end_is_asked_about_after_its_time_and_again():
    payment = authorized(hold_s=3600)
    assert due(payment) == later(3600)
    payment = apply(payment, ExpirePayment(payment.id), at=later(3600))
    still = apply(payment, shown(payment, PaymentStatus.AUTHORIZED), at=later(3601))
    assert later(3601) < due(still) <= later(3601) + HOUR


@pytest.mark.parametrize("make", [unpaid, authorized, captured])
def test_a_person_asks_about_a_payment_in_any_status(make):
    payment = make()
    for status in (None, PaymentStatus.FAILED):
        if status is not None:
            payment = apply(payment, shown(payment, status))
        on_demand = FollowUpOperation(payment.id, payment.charge.id, payment.charge.follow_ups, on_demand=True)
        decision = decide(payment, on_demand, NOW)
        assert [request.action for request in decision.requests] == [Action.INQUIRE]
        assert decision.payment is not None
        payment = decision.payment


@pytest.mark.parametrize("make", [authorized, captured])
def test_an_operation_that_the_provider_refuses_makes_us_ask_at_once(make):
    payment, key = make(), uuid4()
    command = VoidPayment if make is authorized else RefundPayment
    payment = apply(payment, command(payment.id, key, "asked"))
    decision = decide(payment, performed(payment, key, Outcome.DECLINED, reason="invalid_state"), NOW)
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    assert decision.payment.operation(key).status is OperationStatus.FAIL


def test_nothing_is_asked_of_a_payment_that_is_final():
    payment = captured()
    assert [operation.next_follow_up_at for operation in payment.operations] == [None, None]
    late = FollowUpOperation(payment.id, payment.charge.id, 0)
    assert decide(payment, late, later(900)).requests == ()
    assert decide(payment, FollowUpOperation(payment.id, UUID(int=1), 0, on_demand=True), NOW).requests == ()


def asks_on_demand(payment: Payment, operation: Operation, at: datetime) -> bool:
    on_demand = FollowUpOperation(payment.id, operation.id, operation.follow_ups, on_demand=True)
    decision = decide(payment, on_demand, at)
    assert decision.requests or decision.payment is payment, "a question that is dropped changes nothing"
    return [request.action for request in decision.requests] == [Action.INQUIRE]


def test_of_two_questions_on_demand_the_second_is_dropped_until_the_first_is_answered():
    payment = captured()
    on_demand = FollowUpOperation(payment.id, payment.charge.id, 0, on_demand=True)
    asked = apply(payment, on_demand)
    assert not asks_on_demand(asked, asked.charge, later(1))
    answer = apply(asked, shown(asked, PaymentStatus.CAPTURED), at=later(2))
    assert asks_on_demand(answer, answer.charge, later(3))


def test_a_question_that_the_provider_did_not_answer_may_be_asked_again_at_once():
    payment = captured()
    payment = apply(payment, FollowUpOperation(payment.id, payment.charge.id, 0, on_demand=True))
    silent = msgspec.structs.replace(shown(payment, None), outcome=Outcome.UNKNOWN, reason="timeout", observed=None)
    payment = apply(payment, silent, at=later(1))
    assert asks_on_demand(payment, payment.charge, later(1))


def test_a_question_that_was_lost_is_asked_again_after_a_minute():
    payment = captured()
    payment = apply(payment, FollowUpOperation(payment.id, payment.charge.id, 0, on_demand=True))
    assert not asks_on_demand(payment, payment.charge, later(59))
    assert asks_on_demand(payment, payment.charge, later(60))


def test_the_question_about_a_refund_serves_the_order_and_not_the_other_way_round():
    payment, key = captured(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", 1))
    payment = apply(payment, performed(payment, key, Outcome.UNKNOWN, reason="timeout"))
    order = apply(payment, FollowUpOperation(payment.id, payment.charge.id, 0, on_demand=True))
    refund = order.operation(key)
    assert refund is not None
    assert asks_on_demand(order, refund, later(1)), "only its own question finds out what became of it"
    refund = payment.operation(key)
    assert refund is not None
    asked = apply(payment, FollowUpOperation(payment.id, key, refund.follow_ups, on_demand=True))
    assert not asks_on_demand(asked, asked.charge, later(1))
