"""What may be asked of a payment, and the codes of what is refused."""

from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import (
    CapturePayment,
    CorrectPayment,
    ExpirePayment,
    Message,
    Observation,
    ObservedOperation,
    ProviderCallback,
    ProviderResult,
    RefundLine,
    RefundPayment,
    ReplyTo,
    RollbackPayment,
    VoidPayment,
)
from billing.orders import Cart
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import NOW, a_payment, an_order, apply, later, opened, told

REPLY_TO = ReplyTo(0, "request-1")


def after(payment: Payment, *messages: Message) -> Payment:
    for message in messages:
        payment = apply(payment, message)
    return payment


def held(*prices: int) -> Payment:
    payment = a_payment(order=an_order(*prices), capture_mode=CaptureMode.TWO_STAGE)
    return after(payment, opened(payment), told(payment, PaymentStatus.AUTHORIZED))


def captured(*prices: int) -> Payment:
    payment = a_payment(order=an_order(*prices))
    return after(payment, opened(payment), told(payment, PaymentStatus.CAPTURED))


def ended(payment: Payment, operation_id: UUID, outcome: Outcome, action: Action, reason: str | None = None) -> Message:
    return ProviderResult(payment.id, operation_id, payment.provider, action, outcome, reason=reason)


def refusal(decision: Decision) -> str:
    assert decision.reply.refusal is not None
    assert (decision.requests, decision.event) == ((), None), "what is refused leaves no trace"
    return decision.reply.refusal.code


def test_a_hold_is_captured_whole():
    payment = held(60_000)
    operation_id = uuid4()
    decision = decide(payment, CapturePayment(payment.id, operation_id, reply_to=REPLY_TO), NOW)
    assert [(r.action, r.amount, r.operation_id) for r in decision.requests] == [(Action.CAPTURE, 60_000, operation_id)]
    done = after(decision.payment or payment, ended(payment, operation_id, Outcome.SUCCEEDED, Action.CAPTURE))
    assert (done.status, done.captured) == (PaymentStatus.CAPTURED, 60_000)


def test_a_partial_capture_needs_the_cart_that_is_sold_after_all():
    payment = held(60_000, 40_000)
    part = CapturePayment(payment.id, uuid4(), 60_000, reply_to=REPLY_TO)
    assert refusal(decide(payment, part, NOW)) == "cart_required"
    cart = Cart(payment.order.cart.items[:1])
    decision = decide(payment, msgspec.structs.replace(part, cart=cart), NOW)
    done = after(decision.payment or payment, ended(payment, part.operation_id, Outcome.SUCCEEDED, Action.CAPTURE))
    assert (done.captured, done.authorized) == (60_000, 100_000)
    wrong = msgspec.structs.replace(part, operation_id=uuid4(), cart=payment.order.cart)
    assert refusal(decide(payment, wrong, NOW)) == "cart_total_mismatch"


@pytest.mark.parametrize("amount", [0, -1, 60_001])
def test_no_more_is_captured_than_is_held(amount):
    payment = held(60_000)
    command = CapturePayment(payment.id, uuid4(), amount, reply_to=REPLY_TO)
    assert refusal(decide(payment, command, NOW)) == "amount_exceeds_authorized"


def test_a_hold_is_voided_once():
    payment = held(60_000)
    first = uuid4()
    voiding = after(payment, VoidPayment(payment.id, first, "changed their mind"))
    again = VoidPayment(payment.id, uuid4(), "again", REPLY_TO)
    assert refusal(decide(voiding, again, NOW)) == "operation_in_progress"
    done = after(voiding, ended(payment, first, Outcome.SUCCEEDED, Action.VOID))
    assert done.status is PaymentStatus.VOIDED
    assert refusal(decide(done, again, NOW)) == "not_authorized"


def test_an_unknown_outcome_blocks_what_depends_on_it():
    payment = held(60_000)
    first = uuid4()
    unknown = after(payment, CapturePayment(payment.id, first), ended(payment, first, Outcome.UNKNOWN, Action.CAPTURE))
    assert refusal(decide(unknown, VoidPayment(payment.id, uuid4(), "why not", REPLY_TO), NOW)) == "outcome_unknown"


def test_a_refund_is_reserved_when_requested_and_released_when_declined():
    payment = captured(10_000)
    first, second = uuid4(), uuid4()
    reserved = after(payment, RefundPayment(payment.id, first, "asked", 6_000))
    assert (reserved.refund_pending, reserved.refunded) == (6_000, 0)
    rival = RefundPayment(payment.id, second, "asked", 6_000, reply_to=REPLY_TO)
    assert refusal(decide(reserved, rival, NOW)) == "amount_exceeds_refundable"
    released = after(reserved, ended(payment, first, Outcome.DECLINED, Action.REFUND, "declined"))
    assert released.refundable == 10_000
    assert decide(released, rival, NOW).requests


def test_a_refund_by_items_gives_back_their_price_once():
    payment = captured(6_000, 4_000)
    first = RefundPayment(payment.id, uuid4(), "asked", items=(RefundLine("film-2", 1),))
    decision = decide(payment, first, NOW)
    (request,) = decision.requests
    assert request.amount == 4_000
    assert [item.product_id for item in request.cart.items] == ["film-1"], "the cart that stays"
    again = msgspec.structs.replace(first, operation_id=uuid4(), reply_to=REPLY_TO)
    assert refusal(decide(decision.payment, again, NOW)) == "items_not_refundable"


def test_a_refund_by_amount_lowers_the_prices_of_the_cart_that_stays():
    payment = captured(6_000, 4_000)
    (request,) = decide(payment, RefundPayment(payment.id, uuid4(), "late film", 1_500), NOW).requests
    assert request.cart.total == 8_500


def test_refunds_in_parts_end_as_refunded():
    payment = captured(10_000)
    for amount, status in ((4_000, PaymentStatus.PARTIALLY_REFUNDED), (6_000, PaymentStatus.REFUNDED)):
        operation_id = uuid4()
        payment = after(
            payment,
            RefundPayment(payment.id, operation_id, "asked", amount),
            ended(payment, operation_id, Outcome.SUCCEEDED, Action.REFUND),
        )
        assert payment.status is status
    assert payment.refunded == 10_000


def test_an_asynchronous_refund_is_finished_by_its_callback():
    payment = captured(10_000)
    operation_id = uuid4()
    pending = after(
        payment,
        RefundPayment(payment.id, operation_id, "asked"),
        ended(payment, operation_id, Outcome.PENDING, Action.REFUND),
    )
    assert pending.refund_pending == 10_000
    observed = Observation(operations=(ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, operation_id),))
    done = after(pending, ProviderCallback(payment.id, payment.provider, "event", observed))
    assert done.status is PaymentStatus.REFUNDED


@pytest.mark.parametrize(
    ("payment", "kind", "status"),
    [
        (a_payment(), OperationType.VOID, PaymentStatus.FAILED),
        (held(10_000), OperationType.VOID, PaymentStatus.VOIDED),
        (captured(10_000), OperationType.REFUND, PaymentStatus.REFUNDED),
    ],
)
def test_a_rollback_closes_a_payment_whatever_its_state(payment, kind, status):
    operation_id = uuid4()
    decision = decide(payment, RollbackPayment(payment.id, operation_id, "fraud"), NOW)
    assert [request.action for request in decision.requests] == [Action.ROLLBACK]
    done = after(decision.payment, ended(payment, operation_id, Outcome.SUCCEEDED, Action.ROLLBACK))
    assert done.status is status
    assert not any(operation.is_open for operation in done.operations)
    operation = done.operation(operation_id)
    assert (operation.type, operation.status) == (kind, OperationStatus.SUCCESS)


def test_expiry_asks_the_provider_before_it_closes_anything():
    payment = a_payment()
    decision = decide(payment, ExpirePayment(payment.id), later(3600))
    assert [request.action for request in decision.requests] == [Action.INQUIRE]
    assert (decision.payment.status, decision.postings) == (PaymentStatus.PENDING, ())
    assert decision.payment.operations[0].next_follow_up_at <= later(3600 + 60), "asked again if no answer comes"


def test_a_correction_reverses_what_was_posted_and_is_applied_once():
    payment = captured(10_000)
    capture = next(o for o in payment.operations if o.type is OperationType.CAPTURE)
    correction = CorrectPayment(payment.id, uuid4(), capture.id, False, "Olga", "not on the statement", REPLY_TO)
    decision = decide(payment, correction, NOW)
    (posting,) = decision.postings
    assert {(str(e.account), e.amount) for e in posting.entries} == {
        ("clearing:yandex-pay", -10_000),
        ("revenue", 10_000),
    }
    assert decision.payment.captured == 0
    again = decide(decision.payment, correction, NOW)
    assert (again.postings, again.payment) == ((), decision.payment)


def test_a_capture_under_a_refund_cannot_be_corrected_away():
    payment = captured(10_000)
    refunded = after(payment, RefundPayment(payment.id, uuid4(), "asked", 1_000))
    capture = next(o for o in refunded.operations if o.type is OperationType.CAPTURE)
    correction = CorrectPayment(payment.id, uuid4(), capture.id, False, "Olga", "why", REPLY_TO)
    assert refusal(decide(refunded, correction, NOW)) == "correction_impossible"


def test_the_same_command_twice_asks_the_provider_once():
    payment = captured(10_000)
    command = RefundPayment(payment.id, uuid4(), "asked", 4_000, reply_to=REPLY_TO)
    once = decide(payment, command, NOW)
    twice = decide(once.payment, command, NOW)
    assert (twice.requests, twice.payment) == ((), once.payment)
    assert twice.reply is not None
    assert twice.reply.payment is not None


def test_a_command_to_a_payment_that_does_not_exist_is_refused_to_who_waits():
    command = RefundPayment(uuid4(), uuid4(), "asked", reply_to=REPLY_TO)
    assert refusal(decide(None, command, NOW)) == "payment_not_found"


def test_a_key_used_with_another_body_is_refused_even_when_the_amount_is_the_same():
    payment = held(60_000)
    key = uuid4()
    first = VoidPayment(payment.id, key, "not in stock", REPLY_TO, fingerprint="a")
    started = after(payment, first)

    other = VoidPayment(payment.id, key, "another reason", REPLY_TO, fingerprint="b")
    assert refusal(decide(started, other, NOW)) == "idempotency_key_reused"
    repeat = decide(started, first, NOW)
    assert repeat.reply.refusal is None
    assert repeat.requests == ()
