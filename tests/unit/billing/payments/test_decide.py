from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from billing.errors import InvalidMessage, InvariantBroken
from billing.messages import FollowUpOperation, Observation, ProviderResult, RefundPayment, ReplyTo
from billing.orders import Order
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create, a_payment, an_order, apply, later, opened, shown, told

REPLY_TO = ReplyTo(3, "request-1")


def paid(payment: Payment) -> Payment:
    return apply(payment, opened(payment), told(payment, PaymentStatus.CAPTURED))


def test_create_records_the_attempt_and_asks_the_provider_with_the_operation_id_as_key():
    message = a_create(reply_to=REPLY_TO)
    decision = decide(None, message, NOW)
    assert decision.payment.status is PaymentStatus.PENDING
    (operation,) = decision.operations
    assert (operation.type, operation.status) == (OperationType.AUTHORIZE, OperationStatus.PENDING)
    (request,) = decision.requests
    assert request.operation_id == operation.id
    assert request.action is Action.CREATE
    assert request.reply_to == REPLY_TO
    assert decision.reply is None, "a checkout needs the payment URL: the reply waits for the provider"


def test_the_same_create_twice_opens_one_payment_and_answers_with_it():
    message = a_create(reply_to=REPLY_TO)
    first = decide(None, message, NOW)
    again = decide(first.payment, message, later(1))
    assert again.payment is first.payment
    assert (again.requests, again.operations, again.event) == ((), (), None)
    assert again.reply.payment.payment_id == message.payment_id
    assert again.reply_partition == REPLY_TO.partition


def test_a_repeat_with_another_body_is_refused():
    message = a_create(reply_to=REPLY_TO)
    first = decide(None, message, NOW)
    again = decide(first.payment, msgspec.structs.replace(message, fingerprint="0" * 64), NOW)
    assert again.payment is first.payment
    assert again.reply.refusal.code == "idempotency_key_reused"


def test_an_order_that_does_not_add_up_is_refused_and_leaves_no_payment():
    order: Order = msgspec.structs.replace(an_order(100, 200), amount=299)
    decision = decide(None, a_create(order=order, reply_to=REPLY_TO), NOW)
    assert decision.payment is None
    assert decision.reply.refusal.code == "invalid_order"


def test_the_provider_answer_brings_the_payment_url_to_the_waiting_caller():
    payment = a_payment()
    decision = decide(payment, opened(payment, reply_to=REPLY_TO), NOW)
    assert decision.payment.payment_url == "https://pay.example/1"
    assert decision.reply.payment.payment_url == "https://pay.example/1"


def test_a_paid_order_is_authorized_captured_and_posted_once():
    payment = a_payment()
    captured = told(payment, PaymentStatus.CAPTURED)
    decision = decide(payment, captured, NOW)
    after = decision.payment
    assert (after.status, after.authorized, after.captured) == (PaymentStatus.CAPTURED, 59_900, 59_900)
    assert {(o.type, o.status) for o in after.operations} == {
        (OperationType.AUTHORIZE, OperationStatus.SUCCESS),
        (OperationType.CAPTURE, OperationStatus.SUCCESS),
    }
    (posting,) = decision.postings
    assert {(str(e.account), e.amount) for e in posting.entries} == {
        ("clearing:yandex-pay", 59_900),
        ("revenue", -59_900),
    }
    again = decide(after, captured, later(1))
    assert again.payment is after
    assert (again.postings, again.event) == ((), None)


def test_a_callback_that_overtakes_the_answer_to_the_call_wins_and_the_answer_still_brings_the_url():
    payment = a_payment()
    first = apply(payment, told(payment, PaymentStatus.CAPTURED))
    after = apply(first, opened(payment))
    assert (after.status, after.payment_url) == (PaymentStatus.CAPTURED, "https://pay.example/1")
    assert after.operations[0].status is OperationStatus.SUCCESS


def test_callbacks_out_of_order_converge():
    payment = a_payment()
    forward = backward = payment
    held, taken = told(payment, PaymentStatus.AUTHORIZED), told(payment, PaymentStatus.CAPTURED, captured=59_900)
    for callback in (held, taken):
        forward = apply(forward, callback)
    for callback in (taken, held):
        backward = apply(backward, callback)
    assert forward.status is backward.status is PaymentStatus.CAPTURED
    assert forward.captured == backward.captured == 59_900


def test_a_capture_in_one_stage_that_is_not_reported_is_inquired_about():
    payment = a_payment()
    held = apply(payment, told(payment, PaymentStatus.AUTHORIZED))
    look = held.operations[0].next_follow_up_at
    assert look == NOW + timedelta(minutes=1)

    chased = decide(held, FollowUpOperation(held.id, held.operations[0].id, 0), look)
    assert [request.action for request in chased.requests] == [Action.INQUIRE]
    assert chased.payment is not None
    taken = decide(chased.payment, shown(payment, PaymentStatus.CAPTURED), look).payment

    assert taken.status is PaymentStatus.CAPTURED
    assert [operation.next_follow_up_at for operation in taken.operations] == [None, None], "nothing is left to ask"


def test_a_decline_fails_the_payment_with_the_reason_and_posts_nothing():
    payment = a_payment()
    decision = decide(payment, shown(payment, PaymentStatus.FAILED, reason="insufficient_funds"), NOW)
    assert (decision.payment.status, decision.payment.reason) == (PaymentStatus.FAILED, "insufficient_funds")
    assert decision.payment.operations[0].status is OperationStatus.FAIL
    assert decision.postings == ()


def test_evidence_that_a_failed_payment_was_paid_after_all_is_recorded():
    payment = a_payment()
    failed = decide(payment, shown(payment, PaymentStatus.FAILED), NOW).payment
    assert failed.status is PaymentStatus.FAILED
    after = apply(failed, shown(payment, PaymentStatus.CAPTURED))
    assert (after.status, after.captured) == (PaymentStatus.CAPTURED, 59_900)


def test_a_declined_call_fails_the_payment():
    payment = a_payment()
    declined = opened(payment, outcome=Outcome.DECLINED, payment_url=None, reason="unsupported_tax")
    after = apply(payment, declined)
    assert (after.status, after.reason) == (PaymentStatus.FAILED, "unsupported_tax")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.UNKNOWN, OperationStatus.UNKNOWN), (Outcome.NOT_SENT, OperationStatus.PENDING)],
)
def test_a_doubtful_call_never_fails_the_payment_and_is_chased_after_five_seconds(outcome, status):
    payment = a_payment()
    after = apply(payment, opened(payment, outcome=outcome, payment_url=None, provider_ref=None))
    assert after.status is PaymentStatus.PENDING
    assert after.operations[0].status is status
    assert after.operations[0].next_follow_up_at == later(5)


def test_a_chase_sends_the_order_again_with_the_same_key_while_its_url_is_not_known():
    payment = a_payment()
    doubtful = apply(payment, opened(payment, outcome=Outcome.UNKNOWN, payment_url=None))
    follow_up = FollowUpOperation(payment.id, payment.operations[0].id, 0)
    decision = decide(doubtful, follow_up, later(5))
    (request,) = decision.requests
    assert (request.action, request.operation_id) == (Action.CREATE, payment.operations[0].id)
    assert later(5 + 40) < decision.payment.operations[0].next_follow_up_at <= later(5 + 60)
    repeat = decide(decision.payment, follow_up, later(6))
    assert repeat.requests == (), "one question per follow-up, however often it is delivered"


def test_an_order_that_is_only_said_to_exist_is_asked_about_and_its_url_is_found():
    payment = a_payment()
    unknown = opened(payment, outcome=Outcome.UNKNOWN, payment_url=None, provider_ref=None, reason="already_known")
    actions = []
    for follow_up in range(2):
        doubtful = decide(payment, unknown, NOW).payment
        decision = decide(doubtful, FollowUpOperation(payment.id, payment.operations[0].id, follow_up), later(600))
        actions += [request.action for request in decision.requests]
        assert decision.payment is not None
        payment = decision.payment
    assert actions == [Action.CREATE, Action.INQUIRE]
    answer = msgspec.structs.replace(asked(payment, PaymentStatus.PENDING), payment_url="https://pay.example/1")
    after = apply(payment, answer, at=later(601))
    assert after.payment_url == "https://pay.example/1"
    assert after.operations[0].status is OperationStatus.PENDING


def asked(payment: Payment, status: PaymentStatus | None) -> ProviderResult:
    return ProviderResult(
        payment.id,
        payment.operations[0].id,
        payment.provider,
        Action.INQUIRE,
        Outcome.SUCCEEDED,
        observed=Observation(status),
    )


def test_an_open_payment_is_asked_about_and_a_lost_callback_is_found():
    payment = apply(a := a_payment(), opened(a))
    decision = decide(payment, FollowUpOperation(payment.id, payment.operations[0].id, 0), later(600))
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    after = apply(decision.payment, asked(payment, PaymentStatus.CAPTURED), at=later(601))
    assert after.status is PaymentStatus.CAPTURED


def test_an_unpaid_payment_expires_only_when_its_time_is_over_and_the_provider_says_it_is_unpaid():
    payment = decide(a := a_payment(payment_ttl_s=1800), opened(a), NOW).payment
    early = apply(payment, asked(a, PaymentStatus.PENDING), at=later(1799))
    assert early.status is PaymentStatus.PENDING
    silent = apply(payment, asked(a, None), at=later(1801))
    assert silent.status is PaymentStatus.PENDING
    after = apply(payment, asked(a, PaymentStatus.PENDING), at=later(1801))
    assert after.status is PaymentStatus.EXPIRED
    assert not any(operation.is_open for operation in after.operations)


def test_every_change_counts_the_version_by_one_and_makes_one_event():
    payment = a_payment()
    versions = [payment.version]
    for message in (opened(payment), told(payment, PaymentStatus.CAPTURED), told(payment, PaymentStatus.CAPTURED)):
        decision = decide(payment, message, NOW)
        assert decision.payment is not None
        assert (decision.event is None) == (decision.payment is payment)
        payment = decision.payment
        versions.append(payment.version)
    assert versions == [1, 2, 3, 3]


def test_a_message_for_an_unknown_payment_cannot_be_applied():
    payment = a_payment()
    with pytest.raises(InvalidMessage, match="not known"):
        decide(None, told(payment, PaymentStatus.CAPTURED), NOW)


def test_money_that_would_be_wrong_is_an_error_not_a_state():
    payment = msgspec.structs.replace(paid(a_payment()), captured=59_901)
    with pytest.raises(InvariantBroken, match="captured 59901 of 59900"):
        payment.check()


def test_an_order_that_the_provider_names_goes_by_that_name_from_then_on():
    payment = a_payment()
    named = apply(payment, opened(payment, provider_ref="theirs-1"))
    assert (named.order_ref, named.operations[0].provider_ref) == ("theirs-1", "theirs-1")
    paid = apply(named, told(named, PaymentStatus.CAPTURED))
    refund = RefundPayment(payment.id, UUID(int=1), "asked", 100)
    (request,) = decide(paid, refund, NOW).requests
    assert request.order_ref == "theirs-1"


def test_the_name_is_kept_when_a_callback_overtakes_the_answer_that_brings_it():
    payment = a_payment()
    captured = apply(payment, told(payment, PaymentStatus.CAPTURED))
    after = apply(captured, opened(payment, provider_ref="theirs-1"))
    assert (after.order_ref, after.operations[0].provider_ref) == ("theirs-1", "theirs-1")
    assert after.operations[0].status is OperationStatus.SUCCESS


def test_a_callback_or_an_inquiry_may_bring_the_name_too():
    payment = a_payment()
    after = apply(payment, told(payment, PaymentStatus.CAPTURED, order_ref="theirs-1"))
    assert (after.order_ref, after.operations[0].provider_ref) == ("theirs-1", "theirs-1")


def test_the_first_name_stays_for_it_is_the_one_that_the_payment_url_belongs_to():
    payment = a_payment()
    named = apply(payment, opened(payment, provider_ref="theirs-1"))
    after = apply(named, opened(payment, provider_ref="theirs-2", payment_url="https://pay.example/2"))
    assert (after.order_ref, after.payment_url) == ("theirs-1", "https://pay.example/1")


def test_an_unsigned_callback_moves_no_money_and_makes_the_provider_be_asked():
    payment = a_payment()
    named = apply(payment, opened(payment))
    callback = msgspec.structs.replace(told(payment, PaymentStatus.CAPTURED), ask=True)
    decision = decide(named, callback, NOW)
    assert (decision.payment.status, decision.payment.captured) == (PaymentStatus.PENDING, 0)
    assert decision.postings == ()
    (request,) = decision.requests
    assert (request.action, request.order_ref) == (Action.INQUIRE, named.order_ref)
    assert decision.payment.operations[0].next_follow_up_at <= later(60), "asked again soon, in case the answer is lost"


def test_an_unsigned_callback_to_a_payment_with_nothing_open_asks_until_it_is_answered_and_moves_nothing():
    payment = paid(a_payment())
    callback = msgspec.structs.replace(told(payment, PaymentStatus.REFUNDED), ask=True)
    decision = decide(payment, callback, NOW)
    assert (decision.payment.status, decision.payment.refunded) == (PaymentStatus.CAPTURED, 0)
    assert decision.postings == ()
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    assert decision.payment.operations[0].next_follow_up_at <= later(60)
    answered = apply(decision.payment, shown(payment, PaymentStatus.CAPTURED, captured=59_900, refunded=0))
    assert answered.operations[0].next_follow_up_at is None


@pytest.mark.parametrize(("wait_s", "seconds"), [(None, 5), (2, 5), (60, 60)])
def test_a_provider_that_wants_to_be_left_alone_is(wait_s: int | None, seconds: int):
    payment = a_payment()
    busy = opened(payment, outcome=Outcome.NOT_SENT, provider_ref=None, payment_url=None, retry_after_s=wait_s)
    decided = apply(payment, busy)
    assert decided.operations[0].next_follow_up_at == NOW + timedelta(seconds=seconds)


def named(payment: Payment, order_ref: str) -> Payment:
    return apply(payment, opened(payment, provider_ref=order_ref))


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.VOIDED, PaymentStatus.PENDING])
@pytest.mark.parametrize("is_paid", [False, True])
def test_a_twin_that_a_lost_answer_left_at_the_provider_says_nothing_of_ours(status: PaymentStatus, is_paid: bool):
    payment = named(a_payment(), "second")
    if is_paid:
        paid_now = apply(payment, told(payment, PaymentStatus.CAPTURED, order_ref="second"))
        payment = paid_now
    decision = decide(payment, told(payment, status, reason="expired", order_ref="first"), later(1800))
    assert decision.payment is payment
    assert (decision.postings, decision.operations) == ((), ())


def test_a_twin_that_was_paid_is_the_order_from_then_on():
    payment = named(a_payment(), "second")
    decided = apply(payment, told(payment, PaymentStatus.CAPTURED, order_ref="first"))
    assert (decided.status, decided.order_ref) == (PaymentStatus.CAPTURED, "first")


def test_a_payment_that_was_paid_twice_goes_aside_for_an_operator():
    payment = named(a_payment(), "second")
    payment_paid = apply(payment, told(payment, PaymentStatus.CAPTURED, order_ref="second"))
    with pytest.raises(InvalidMessage, match="paid as second, and again as first"):
        decide(payment_paid, told(payment, PaymentStatus.CAPTURED, order_ref="first"), NOW)


def test_the_order_goes_by_the_name_of_the_page_that_the_customer_gets():
    payment = a_payment()
    observed_first = apply(payment, told(payment, PaymentStatus.PENDING, order_ref="first"))
    assert observed_first.order_ref == "first"
    assert named(observed_first, "second").order_ref == "second"


@pytest.mark.parametrize(("asked_for", "kept"), [(True, "method-1"), (False, None)])
def test_a_method_is_kept_only_where_the_customer_let_us_save_it(asked_for, kept):
    payment = a_payment(save_method=asked_for)
    paid = decide(payment, told(payment, PaymentStatus.CAPTURED, method_ref="method-1"), NOW).payment
    assert paid.method_ref == kept
