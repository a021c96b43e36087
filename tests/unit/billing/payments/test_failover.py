"""A payment that moves on to the next provider, and what becomes of the order it left."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.messages import (
    CorrectPayment,
    FollowUpOperation,
    Message,
    Observation,
    ObservedOperation,
    ProviderCallback,
    ProviderResult,
    ReplyTo,
    RollbackPayment,
)
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create, a_payment, apply, later, opened, shown, told

FIRST, SECOND, THIRD = "yandex-pay", "stripe", "tbank"
REPLY_TO = ReplyTo(3, "request-1")


def routed(*alternatives: str) -> Payment:
    return a_payment(provider=FIRST, alternatives=alternatives or (SECOND,))


def ended(payment: Payment, outcome: Outcome, reason: str | None = None, **fields: object) -> ProviderResult:
    """How the call that opens the order at the payment's provider ended."""
    operation = payment.operations[-1]
    values = {"reason": reason, **fields}
    return ProviderResult(payment.id, operation.id, payment.provider, Action.CREATE, outcome, **values)  # type: ignore[arg-type]


def after(payment: Payment, *messages: Message) -> Payment:
    return apply(payment, *messages, at=later(1))


def moved_on() -> Payment:
    payment = routed()
    payment = after(payment, ended(payment, Outcome.NOT_SENT, "breaker_open"))
    assert payment.provider == SECOND
    return payment


def from_first(payment: Payment, status: PaymentStatus, **fields: object) -> ProviderResult:
    """The answer of the provider that was left, when it is asked about its order."""
    observed = Observation(status, **fields)  # type: ignore[arg-type]
    left = payment.operations[0].id
    return ProviderResult(payment.id, left, FIRST, Action.INQUIRE, Outcome.SUCCEEDED, observed=observed)


def at(payment: Payment, provider: str, type: OperationType) -> Operation:
    return next(o for o in payment.operations if o.provider == provider and o.type is type)


def money(decision: Decision) -> dict[str, int]:
    return {str(entry.account): entry.amount for posting in decision.postings for entry in posting.entries}


def test_a_repeat_that_was_not_sent_says_nothing_of_the_first_call_which_is_under_way():
    payment = routed()
    again = FollowUpOperation(payment.id, payment.operations[0].id, 0, on_demand=True)
    payment = after(payment, again, ended(payment, Outcome.NOT_SENT, "rate_limited"))
    assert (payment.provider, payment.operations[0].is_open) == (FIRST, True)
    payment = after(payment, ended(payment, Outcome.UNKNOWN, "timeout"))
    assert (payment.provider, payment.operations[0].status) == (FIRST, OperationStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.DECLINED, "declined"), (Outcome.DECLINED, "unsupported_currency"), (Outcome.NOT_SENT, "breaker_open")],
)
def test_the_next_provider_is_asked_with_an_operation_of_its_own(outcome: Outcome, reason: str):
    payment = routed(SECOND, THIRD)
    decision = decide(payment, ended(payment, outcome, reason, reply_to=REPLY_TO), later(1))
    moved = decision.payment
    left, asked = moved.operations
    assert (left.provider, left.status, left.reason) == (FIRST, OperationStatus.FAIL, reason)
    assert (asked.provider, asked.type, asked.status) == (SECOND, OperationType.AUTHORIZE, OperationStatus.PENDING)
    assert asked.id != left.id
    assert (moved.provider, moved.alternatives, moved.status) == (SECOND, (THIRD,), PaymentStatus.PENDING)
    (request,) = decision.requests
    assert (request.provider, request.action, request.operation_id) == (SECOND, Action.CREATE, asked.id)
    assert request.order_ref == str(asked.id)
    assert request.reply_to == REPLY_TO, "the reply follows the next provider's answer"
    assert decision.reply is None


@pytest.mark.parametrize("reason", ["insufficient_funds", "fraud_suspected", "card_expired"])
def test_what_would_be_declined_everywhere_fails(reason: str):
    payment = routed()
    failed = after(payment, ended(payment, Outcome.DECLINED, reason))
    assert (failed.status, failed.reason, failed.provider) == (PaymentStatus.FAILED, reason, FIRST)


def test_the_last_provider_s_decline_is_the_payment_s():
    payment = moved_on()
    failed = after(payment, ended(payment, Outcome.DECLINED, "declined"))
    assert (failed.status, failed.reason) == (PaymentStatus.FAILED, "declined")


def test_an_unknown_outcome_never_moves_on_whatever_comes_after_it():
    payment = routed()
    payment = after(
        payment, ended(payment, Outcome.UNKNOWN, "timeout"), ended(payment, Outcome.NOT_SENT, "breaker_open")
    )
    assert payment.provider == FIRST
    not_there = ProviderResult(
        payment.id, payment.operations[0].id, FIRST, Action.INQUIRE, Outcome.SUCCEEDED, observed=Observation()
    )
    payment = after(payment, not_there, ended(payment, Outcome.NOT_SENT, "breaker_open"))
    assert payment.provider == FIRST, "the call whose end was unknown may still arrive"
    assert len(payment.operations) == 1


def test_a_payment_that_was_cancelled_meanwhile_does_not_move_on():
    payment = routed()
    payment = after(payment, opened(payment), RollbackPayment(payment.id, UUID(int=1), "changed their mind"))
    payment = after(payment, shown(payment, PaymentStatus.FAILED, reason="declined"))
    assert (payment.status, payment.provider) == (PaymentStatus.FAILED, FIRST)


def test_a_payment_whose_time_is_over_does_not_move_on():
    payment = routed()
    changed = apply(payment, ended(payment, Outcome.DECLINED, "declined"), at=payment.expires_at)
    assert changed.status is PaymentStatus.FAILED


def test_a_saved_method_belongs_to_its_provider_and_is_not_tried_elsewhere():
    payment = a_payment(provider=FIRST, alternatives=(SECOND,), saved_method="method-1")
    result = ProviderResult(
        payment.id, payment.operations[0].id, FIRST, Action.RECUR, Outcome.DECLINED, reason="declined"
    )
    assert after(payment, result).status is PaymentStatus.FAILED


def test_a_customer_declined_at_the_first_gets_the_page_of_the_second():
    payment = routed()
    payment = after(payment, opened(payment), shown(payment, PaymentStatus.FAILED, reason="issuer_unavailable"))
    assert (payment.status, payment.provider, payment.payment_url) == (PaymentStatus.PENDING, SECOND, None)
    payment = after(
        payment, ended(payment, Outcome.PENDING, payment_url="https://second.example/1", provider_ref="s-1")
    )
    assert (payment.payment_url, payment.order_ref) == ("https://second.example/1", "s-1")
    payment = after(payment, told(payment, PaymentStatus.CAPTURED))
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, payment.order.amount)


def test_an_order_that_turns_up_where_nothing_was_sent_is_closed_and_its_url_not_told():
    payment = moved_on()
    left = payment.operations[0]
    late = ProviderResult(
        payment.id, left.id, FIRST, Action.CREATE, Outcome.PENDING, provider_ref="y-1", payment_url="https://y.example"
    )
    decision = decide(payment, late, later(2))
    assert decision.payment.payment_url is None
    (request,) = decision.requests
    assert (request.provider, request.action, request.order_ref) == (FIRST, Action.ROLLBACK, "y-1")
    again = decide(decision.payment, late, later(3))
    assert again.requests == (), "asked once"
    closed = after(
        decision.payment,
        ProviderResult(payment.id, request.operation_id, FIRST, Action.ROLLBACK, Outcome.SUCCEEDED),
    )
    assert at(closed, FIRST, OperationType.VOID).status is OperationStatus.SUCCESS
    assert (closed.status, closed.provider) == (PaymentStatus.PENDING, SECOND)


def test_money_taken_by_the_provider_that_was_left_is_recorded_there_and_given_back_there():
    payment = moved_on()
    payment = after(payment, told(payment, PaymentStatus.CAPTURED))
    amount = payment.order.amount
    decision = decide(payment, from_first(payment, PaymentStatus.CAPTURED), later(2))
    taken = decision.payment
    assert taken is not None
    assert money(decision) == {f"clearing:{FIRST}": amount, "revenue": -amount}
    assert (taken.captured, taken.refunded, taken.refund_pending) == (amount, 0, 0), "the payment's own are untouched"
    (request,) = decision.requests
    assert (request.provider, request.action) == (FIRST, Action.ROLLBACK)
    back = decide(
        taken, ProviderResult(payment.id, request.operation_id, FIRST, Action.ROLLBACK, Outcome.SUCCEEDED), later(3)
    )
    assert money(back) == {"refunds": amount, f"clearing:{FIRST}": -amount}
    assert back.payment is not None
    for late in (PaymentStatus.CAPTURED, PaymentStatus.AUTHORIZED, PaymentStatus.PENDING, PaymentStatus.REFUNDED):
        decided = decide(back.payment, from_first(payment, late), later(4))
        assert (decided.postings, decided.requests) == ((), ()), late


def test_money_that_comes_while_its_order_is_being_closed_is_given_back_too():
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.PENDING), from_first(payment, PaymentStatus.CAPTURED))
    assert at(payment, FIRST, OperationType.VOID).status is OperationStatus.FAIL
    assert at(payment, FIRST, OperationType.CAPTURE).status is OperationStatus.SUCCESS
    assert at(payment, FIRST, OperationType.REFUND).is_open


def test_a_return_that_is_declined_stays_open_until_the_provider_says_that_it_is_over():
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.CAPTURED))
    refund = at(payment, FIRST, OperationType.REFUND)
    declined = ProviderResult(
        payment.id, refund.id, FIRST, Action.ROLLBACK, Outcome.DECLINED, reason="merchant_balance"
    )
    payment = after(payment, declined)
    refund = at(payment, FIRST, OperationType.REFUND)
    assert refund.is_open
    assert (refund.reason, refund.next_follow_up_at is not None) == ("merchant_balance", True)
    chased = decide(payment, FollowUpOperation(payment.id, refund.id, 0), later(600))
    assert chased.payment is not None
    (question,) = chased.requests
    assert (question.provider, question.action) == (FIRST, Action.INQUIRE)
    told_so = ProviderResult(
        payment.id, refund.id, FIRST, Action.INQUIRE, Outcome.SUCCEEDED, observed=Observation(PaymentStatus.REFUNDED)
    )
    assert at(after(chased.payment, told_so), FIRST, OperationType.REFUND).status is OperationStatus.SUCCESS


def test_a_return_of_unknown_end_is_sent_again_with_its_key_once_the_provider_says_that_it_did_not_happen():
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.CAPTURED))
    refund = at(payment, FIRST, OperationType.REFUND)
    payment = after(
        payment,
        ProviderResult(payment.id, refund.id, FIRST, Action.ROLLBACK, Outcome.UNKNOWN, reason="timeout"),
        ProviderResult(
            payment.id,
            refund.id,
            FIRST,
            Action.INQUIRE,
            Outcome.SUCCEEDED,
            observed=Observation(PaymentStatus.CAPTURED),
        ),
    )
    again = decide(payment, FollowUpOperation(payment.id, refund.id, 0), later(10))
    (request,) = again.requests
    assert (request.action, request.operation_id) == (Action.ROLLBACK, refund.id)


def test_an_order_that_its_provider_does_not_have_is_closed():
    payment = moved_on()
    left = payment.operations[0]
    payment = after(
        payment, ProviderResult(payment.id, left.id, FIRST, Action.CREATE, Outcome.UNKNOWN, reason="timeout")
    )
    void = at(payment, FIRST, OperationType.VOID)
    payment = after(
        payment,
        ProviderResult(payment.id, void.id, FIRST, Action.ROLLBACK, Outcome.DECLINED, reason="order_not_found"),
        ProviderResult(payment.id, void.id, FIRST, Action.INQUIRE, Outcome.SUCCEEDED, observed=Observation()),
    )
    assert at(payment, FIRST, OperationType.VOID).status is OperationStatus.SUCCESS


@pytest.mark.parametrize("status", [None, *PaymentStatus])
def test_a_callback_of_the_provider_that_was_left_moves_nothing_and_makes_us_ask_it(status: PaymentStatus | None):
    payment = moved_on()
    callback = ProviderCallback(payment.id, FIRST, "event", Observation(status), ask=status is None)
    decision = decide(payment, callback, later(2))
    (request,) = decision.requests
    left = payment.operations[0].id
    assert (request.provider, request.action, request.operation_id) == (FIRST, Action.INQUIRE, left)
    assert decision.postings == ()
    assert decision.payment.operation(left).next_follow_up_at <= later(2 + 60), "asked again if no answer comes"


def test_a_provider_that_was_left_is_asked_until_it_answers():
    payment = moved_on()
    payment = after(payment, ProviderCallback(payment.id, FIRST, "event", Observation(PaymentStatus.CAPTURED)))
    left = payment.operations[0]
    payment = after(
        payment, ProviderResult(payment.id, left.id, FIRST, Action.INQUIRE, Outcome.UNKNOWN, reason="timeout")
    )
    assert payment.operation(left.id).next_follow_up_at <= later(1 + 60)
    payment = after(payment, from_first(payment, PaymentStatus.FAILED))
    assert payment.operation(left.id).next_follow_up_at is None


def test_what_was_taken_by_the_provider_that_was_left_is_recorded_and_given_back_to_the_unit():
    payment = moved_on()
    decision = decide(payment, from_first(payment, PaymentStatus.CAPTURED, captured=18_000), later(2))
    assert money(decision) == {f"clearing:{FIRST}": 18_000, "revenue": -18_000}
    (request,) = decision.requests
    assert (request.action, request.amount) == (Action.ROLLBACK, 18_000)


def test_an_operator_may_say_that_the_money_went_back_and_nothing_else_of_the_order_that_was_left():
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.CAPTURED))
    for number, operation in enumerate(payment.operations):
        returns = operation.provider == FIRST and operation.type is OperationType.REFUND
        if operation.provider != FIRST:
            continue
        for succeeded in (True, False):
            word = CorrectPayment(
                payment.id, UUID(int=number), operation.id, succeeded, "Olga", "bank statement", REPLY_TO
            )
            decision = decide(payment, word, later(3))
            assert decision.reply is not None
            if returns and succeeded:
                assert money(decision)[f"clearing:{FIRST}"] == -payment.order.amount
            else:
                assert decision.postings == ()
                assert decision.payment is payment


def test_moving_on_takes_no_longer_than_the_payment_lives():
    payment = moved_on()
    assert payment.expires_at == NOW + timedelta(seconds=a_create().payment_ttl_s)


def test_a_twin_of_the_order_that_was_left_says_nothing_of_it_unless_it_was_paid():
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.CAPTURED, order_ref="y-1"))
    twin = from_first(payment, PaymentStatus.FAILED, order_ref="y-2")
    assert decide(payment, twin, later(2)).postings == ()
    assert at(payment, FIRST, OperationType.REFUND).is_open, "given back by its own word alone"


@pytest.mark.parametrize("status", [OperationStatus.FAIL, OperationStatus.SUCCESS])
def test_a_provider_is_no_evidence_for_an_operation_at_another_one(status: OperationStatus):
    payment = moved_on()
    payment = after(payment, from_first(payment, PaymentStatus.CAPTURED))
    refund = at(payment, FIRST, OperationType.REFUND)
    named = ObservedOperation(OperationType.REFUND, status, refund.id)
    told_by_second = ProviderCallback(payment.id, SECOND, "ORDER/event", Observation(operations=(named,)))
    decision = decide(payment, told_by_second, later(2))
    assert (decision.postings, at(decision.payment, FIRST, OperationType.REFUND)) == ((), refund)


def test_the_provider_that_was_left_is_asked_on_demand_about_its_order():
    payment = moved_on()
    left = payment.operations[0]
    decision = decide(payment, FollowUpOperation(payment.id, left.id, left.follow_ups, on_demand=True), later(9))
    assert [(r.provider, r.action, r.order_ref) for r in decision.requests] == [(FIRST, Action.INQUIRE, str(left.id))]
