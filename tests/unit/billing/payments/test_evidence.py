"""The rule of evidence: an answer decides, a callback confirms what was requested, and what contradicts is asked about."""

from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import (
    Books,
    CapturePayment,
    CorrectPayment,
    Observation,
    ObservedOperation,
    ProviderCallback,
    RefundPayment,
    RollbackPayment,
)
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import (
    NOW,
    a_payment,
    an_order,
    apply,
    authorized,
    captured,
    later,
    opened,
    performed,
    shown,
    told,
    unpaid,
)

WHOLE = 30_000
ORDER = an_order(WHOLE)


def held() -> Payment:
    return authorized(order=ORDER)


def paid() -> Payment:
    return captured(order=ORDER)


def refunded(amount: int = 12_000) -> tuple[Payment, UUID]:
    """A paid payment with a refund that succeeded; the refund."""
    payment, key = paid(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", amount))
    return apply(payment, performed(payment, key, Outcome.SUCCEEDED, provider_ref="re-1")), key


def a_refund(
    status: OperationStatus, amount: int | None = None, id: UUID | None = None, ref: str | None = None
) -> ObservedOperation:
    return ObservedOperation(OperationType.REFUND, status, id, ref, amount)


def asks(decision: Decision) -> bool:
    """Nothing moved, and the provider is asked until it answers."""
    payment = decision.payment
    assert payment is not None
    assert decision.postings == ()
    assert payment.contradiction is None
    due = payment.charge.next_follow_up_at
    return [r.action for r in decision.requests] == [Action.INQUIRE] and due is not None and due <= later(60)


def ledger(decision: Decision) -> dict[str, int]:
    entries = [entry for posting in decision.postings for entry in posting.entries]
    return {str(entry.account): entry.amount for entry in entries}


def one(payment: Payment, type: OperationType) -> Operation:
    (found,) = [o for o in payment.operations if o.type is type]
    return found


# A late failure.


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.VOIDED])
@pytest.mark.parametrize("make", [paid, held, lambda: unpaid(order=ORDER), lambda: refunded()[0]])
def test_a_failure_that_is_called_back_moves_nothing_and_is_asked_about(make, status):
    payment = make()
    decision = decide(payment, told(payment, status, reason="declined"), NOW)
    assert asks(decision)
    assert (decision.payment.status, decision.payment.refunded) == (payment.status, payment.refunded)


def test_a_capture_stays_when_the_provider_is_asked_about_a_late_failure():
    payment = paid()
    payment = apply(payment, told(payment, PaymentStatus.FAILED, reason="insufficient_funds"))
    decision = decide(payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0), NOW)
    assert (decision.payment.status, decision.postings) == (PaymentStatus.CAPTURED, ())
    assert decision.payment.charge.next_follow_up_at is None


def test_a_failure_that_the_provider_itself_states_of_a_captured_payment_goes_to_a_person():
    payment = paid()
    decision = decide(payment, shown(payment, PaymentStatus.FAILED, reason="declined"), NOW)
    assert decision.postings == ()
    assert (decision.payment.status, decision.payment.captured) == (PaymentStatus.CAPTURED, WHOLE)
    assert decision.payment.contradiction == "FAILED there, CAPTURED here"
    again = decide(decision.payment, shown(payment, PaymentStatus.FAILED, reason="declined"), later(1))
    assert again.payment.contradiction == decision.payment.contradiction
    agreed = apply(again.payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE))
    assert agreed.contradiction is None, "the mark goes once the provider agrees"


def test_a_correction_settles_a_contradiction():
    payment = paid()
    payment = apply(payment, shown(payment, PaymentStatus.FAILED))
    capture = one(payment, OperationType.CAPTURE)
    settled = apply(payment, CorrectPayment(payment.id, uuid4(), capture.id, False, "Olga", "bank statement"))
    assert (settled.contradiction, settled.captured) == (None, 0)


def test_a_hold_that_ended_is_released_by_the_answer():
    payment = held()
    payment = apply(payment, told(payment, PaymentStatus.VOIDED))
    assert payment.status is PaymentStatus.AUTHORIZED
    payment = apply(payment, shown(payment, PaymentStatus.VOIDED))
    assert (payment.status, payment.charge.next_follow_up_at) == (PaymentStatus.VOIDED, None)


def test_a_payment_whose_callbacks_were_lost_is_not_ended_by_a_failure_but_captured_by_the_answer():
    payment = unpaid(order=ORDER)
    payment = apply(payment, told(payment, PaymentStatus.FAILED, reason="expired"))
    assert payment.status is PaymentStatus.PENDING
    payment = apply(payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0))
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, WHOLE)


def test_a_success_after_a_failure_carries_no_reason_of_the_failure():
    payment = unpaid(order=ORDER)
    payment = apply(payment, shown(payment, PaymentStatus.FAILED, reason="insufficient_funds"))
    assert (payment.status, payment.charge.reason) == (PaymentStatus.FAILED, "insufficient_funds")
    decision = decide(payment, told(payment, PaymentStatus.CAPTURED, captured=WHOLE), NOW)
    assert asks(decision)
    payment = apply(decision.payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0))
    assert (payment.status, payment.reason, payment.charge.reason) == (PaymentStatus.CAPTURED, None, None)


# Captures.


def test_a_part_captured_without_a_request_is_booked_to_the_unit_once_it_is_asked():
    payment = held()
    callback = told(payment, PaymentStatus.CAPTURED, captured=18_000, currency="RUB")
    decision = decide(payment, callback, NOW)
    assert asks(decision)
    answer = shown(payment, PaymentStatus.CAPTURED, captured=18_000, refunded=0, currency="RUB")
    decision = decide(decision.payment, answer, NOW)
    assert ledger(decision) == {"clearing:yandex-pay": 18_000, "revenue": -18_000}
    assert (decision.payment.authorized, decision.payment.captured) == (WHOLE, 18_000)
    again = decide(decision.payment, answer, later(1))
    assert again.postings == ()
    assert decide(again.payment, callback, later(2)).requests == ()


def test_a_capture_that_we_requested_is_confirmed_by_a_callback_with_its_amount_only():
    payment, key = held(), uuid4()
    payment = apply(payment, CapturePayment(payment.id, key))
    assert asks(decide(payment, told(payment, PaymentStatus.CAPTURED, captured=18_000), NOW))
    assert asks(decide(payment, told(payment, PaymentStatus.CAPTURED), NOW)), "the amount is not stated"
    payment = apply(payment, told(payment, PaymentStatus.CAPTURED, captured=WHOLE))
    assert (payment.captured, payment.operation(key).status) == (WHOLE, OperationStatus.SUCCESS)


@pytest.mark.parametrize("wrong", [{"captured": 100}, {"captured": WHOLE + 1}, {"captured": WHOLE, "currency": "USD"}])
@pytest.mark.parametrize("make", [lambda: unpaid(order=ORDER), paid])
def test_another_amount_or_currency_is_never_taken_for_ours(make, wrong: dict[str, object]):
    payment = make()
    decision = decide(payment, told(payment, PaymentStatus.CAPTURED, **wrong), NOW)
    assert asks(decision)
    decision = decide(decision.payment, shown(payment, PaymentStatus.CAPTURED, **wrong), NOW)
    assert decision.postings == ()
    assert (decision.payment.status, decision.payment.captured) == (payment.status, payment.captured)
    assert decision.payment.contradiction is not None


def test_a_hold_of_another_amount_is_not_taken_for_ours():
    payment = apply(a := a_payment(order=ORDER, capture_mode=CaptureMode.TWO_STAGE), opened(a))
    assert asks(decide(payment, told(payment, PaymentStatus.AUTHORIZED, authorized=100), NOW))
    marked = apply(payment, shown(payment, PaymentStatus.AUTHORIZED, authorized=100))
    assert (marked.status, marked.authorized) == (PaymentStatus.PENDING, 0)
    assert marked.contradiction == "authorized: 1.00 RUB there, 300.00 RUB here"


def test_a_capture_that_fails_makes_us_ask_at_once():
    payment, key = held(), uuid4()
    payment = apply(payment, CapturePayment(payment.id, key))
    decision = decide(payment, performed(payment, key, Outcome.DECLINED, reason="invalid_state"), NOW)
    assert asks(decision)
    voided = apply(decision.payment, shown(payment, PaymentStatus.VOIDED))
    assert voided.status is PaymentStatus.VOIDED


# Refunds.


def test_a_refund_in_the_console_is_booked_to_the_unit_under_an_id_from_the_provider_s():
    payment = paid()
    seen = a_refund(OperationStatus.SUCCESS, 12_000, ref="re-7")
    decision = decide(payment, told(payment, PaymentStatus.CAPTURED, operations=(seen,)), NOW)
    assert asks(decision)
    answer = shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=12_000, operations=(seen,))
    decision = decide(decision.payment, answer, NOW)
    assert ledger(decision) == {"refunds": 12_000, "clearing:yandex-pay": -12_000}
    payment = decision.payment
    assert (payment.status, payment.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, 12_000)
    refund = one(payment, OperationType.REFUND)
    assert (refund.provider_ref, refund.reason) == ("re-7", "refunded_at_provider")
    assert decide(payment, answer, later(1)).postings == ()


def test_refunds_in_the_console_have_the_same_ids_whichever_is_seen_first():
    first, second = (
        a_refund(OperationStatus.SUCCESS, amount, ref=ref) for ref, amount in (("re-a", 5_000), ("re-b", 7_000))
    )

    def ids(*order: ObservedOperation) -> set[UUID]:
        payment = paid()
        payment = msgspec.structs.replace(payment, id=UUID(int=1))
        for n in (1, 2):
            seen, total = order[:n], sum(o.amount or 0 for o in order[:n])
            payment = apply(payment, shown(payment, PaymentStatus.CAPTURED, operations=seen, refunded=total))
        assert (payment.refunded, payment.contradiction) == (12_000, None)
        return {o.id for o in payment.operations if o.type is OperationType.REFUND}

    assert ids(first, second) == ids(second, first)


def test_the_rest_after_a_refund_in_the_console_can_be_refunded():
    payment = paid()
    seen = a_refund(OperationStatus.SUCCESS, 12_000, ref="re-7")
    payment = apply(
        payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=12_000, operations=(seen,))
    )
    (request,) = decide(payment, RefundPayment(payment.id, uuid4(), "asked"), NOW).requests
    assert request.amount == 18_000


def test_a_refund_refused_by_the_provider_makes_us_ask_what_it_has():
    payment, key = paid(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked"))
    assert asks(decide(payment, performed(payment, key, Outcome.DECLINED, reason="invalid_request"), NOW))


def test_a_refund_that_failed_after_it_succeeded_is_reversed_once_the_provider_is_asked():
    payment, key = refunded()
    undone = a_refund(OperationStatus.FAIL, 12_000, key, "re-1")
    decision = decide(payment, told(payment, None, operations=(undone,)), NOW)  # type: ignore[arg-type]
    assert asks(decision)
    answer = shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0, operations=(undone,))
    decision = decide(decision.payment, answer, NOW)
    assert ledger(decision) == {"refunds": -12_000, "clearing:yandex-pay": 12_000}
    payment = decision.payment
    assert (payment.status, payment.refunded, payment.refundable) == (PaymentStatus.CAPTURED, 0, WHOLE)
    assert payment.operation(key).status is OperationStatus.FAIL
    assert decide(payment, answer, later(1)).postings == ()


def test_a_refund_undone_and_made_again_is_posted_each_time():
    payment, key = refunded()
    postings = []
    for status, total in ((OperationStatus.FAIL, 0), (OperationStatus.SUCCESS, 12_000)) * 2:
        seen = a_refund(status, 12_000, key, "re-1")
        decision = decide(
            payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=total, operations=(seen,)), NOW
        )
        payment = decision.payment
        assert payment.refunded == total
        postings += [posting.id for posting in decision.postings]
    assert len(set(postings)) == 4


def test_a_provider_that_shows_less_refunded_than_the_books_goes_to_a_person():
    payment, _ = refunded()
    marked = apply(payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0))
    assert (marked.refunded, marked.contradiction) == (12_000, "0.00 RUB refunded there, 120.00 RUB of 300.00 RUB here")


def test_what_an_operator_corrected_is_not_overruled():
    payment, key = refunded()
    payment = apply(payment, CorrectPayment(payment.id, uuid4(), key, False, "Olga", "bank statement"))
    seen = a_refund(OperationStatus.SUCCESS, 12_000, key, "re-1")
    marked = apply(payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=12_000, operations=(seen,)))
    assert (marked.refunded, marked.contradiction) == (0, f"REFUND {key} was corrected here")


@pytest.mark.parametrize(("total", "done"), [(5_000, {0}), (7_000, {1}), (12_000, {0, 1})])
def test_refunds_that_the_provider_does_not_name_are_told_apart_by_their_sums(total: int, done: set[int]):
    payment, keys = paid(), (uuid4(), uuid4())
    for key, amount in zip(keys, (5_000, 7_000), strict=True):
        payment = apply(payment, RefundPayment(payment.id, key, "asked", amount))
    payment = apply(payment, shown(payment, PaymentStatus.PARTIALLY_REFUNDED, captured=WHOLE, refunded=total))
    assert payment.refunded == total
    assert {n for n, key in enumerate(keys) if payment.operation(key).status is OperationStatus.SUCCESS} == done


def test_refunds_that_cannot_be_told_apart_go_to_a_person():
    payment = paid()
    for _ in range(2):
        payment = apply(payment, RefundPayment(payment.id, uuid4(), "asked", 5_000))
    marked = apply(payment, shown(payment, PaymentStatus.PARTIALLY_REFUNDED, captured=WHOLE, refunded=5_000))
    assert (marked.refunded, marked.refund_pending) == (0, 10_000)
    assert marked.contradiction is not None


def test_a_rollback_that_the_provider_carried_out_refunds_everything():
    payment, key = paid(), uuid4()
    payment = apply(payment, RollbackPayment(payment.id, key, "fraud"))
    assert asks(decide(payment, told(payment, PaymentStatus.FAILED), NOW)), "not by a callback"
    payment = apply(payment, shown(payment, PaymentStatus.FAILED))
    assert (payment.status, payment.refunded) == (PaymentStatus.REFUNDED, WHOLE)


def rolled_back(given: int, total: int, by_staff: int | None = None) -> tuple[Payment, UUID, Observation]:
    """A payment that we asked to be rolled back whole; what the provider shows: ``given`` back for it, ``total`` in all."""
    payment, key = paid(), uuid4()
    payment = apply(payment, RollbackPayment(payment.id, key, "fraud"))
    seen = [a_refund(OperationStatus.SUCCESS, given, key, "re-2")]
    if by_staff is not None:
        seen.append(a_refund(OperationStatus.SUCCESS, by_staff, ref="re-1"))
    status = PaymentStatus.REFUNDED if total == WHOLE else PaymentStatus.CAPTURED
    return payment, key, Observation(status, captured=WHOLE, refunded=total, operations=tuple(seen))


def test_a_rollback_that_gave_back_the_rest_after_a_refund_of_the_staff_has_the_amount_that_the_provider_states():
    payment, key, observed = rolled_back(18_000, WHOLE, by_staff=12_000)
    callback = ProviderCallback(payment.id, payment.provider, "rolled back", observed)
    assert asks(decide(payment, callback, NOW)), "a callback only confirms what was requested"
    answer = msgspec.structs.replace(shown(payment, None), observed=observed)
    decision = decide(payment, answer, NOW)
    assert [sorted(entry.amount for entry in posting.entries) for posting in decision.postings] == [
        [-18_000, 18_000],
        [-12_000, 12_000],
    ]
    payment = decision.payment
    assert (payment.status, payment.refunded, payment.contradiction) == (PaymentStatus.REFUNDED, WHOLE, None)
    assert (payment.operation(key).status, payment.operation(key).amount) == (OperationStatus.SUCCESS, 18_000)
    assert decide(payment, answer, later(1)).postings == (), "seen again it changes nothing"


@pytest.mark.parametrize(
    ("given", "total", "by_staff"),
    [(18_000, 18_000, None), (18_000, 25_000, 7_000), (0, WHOLE, 30_000), (30_001, WHOLE, None)],
    ids=["some is left", "some is left after a refund of the staff", "nothing was given back", "more than asked for"],
)
def test_a_rollback_of_another_amount_goes_to_a_person_unless_nothing_is_left(given, total, by_staff):
    payment, key, observed = rolled_back(given, total, by_staff)
    marked = apply(payment, msgspec.structs.replace(shown(payment, None), observed=observed))
    assert (marked.refunded, marked.operation(key).amount) == (0, WHOLE)
    assert marked.contradiction.startswith(f"REFUND {key}: ")


def test_a_refund_of_another_amount_goes_to_a_person_though_nothing_is_left():
    payment, key = paid(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked"))
    seen = (
        a_refund(OperationStatus.SUCCESS, 18_000, key, "re-2"),
        a_refund(OperationStatus.SUCCESS, 12_000, ref="re-1"),
    )
    answer = shown(payment, PaymentStatus.REFUNDED, captured=WHOLE, refunded=WHOLE, operations=seen)
    assert apply(payment, answer).contradiction == f"REFUND {key}: 180.00 RUB there, 300.00 RUB here"


def test_a_refund_that_the_provider_still_processes_is_asked_about_again():
    payment = paid()
    seen = a_refund(OperationStatus.PENDING, 12_000, ref="re-7")
    payment = apply(payment, shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0, operations=(seen,)))
    assert payment.refunded == 0
    assert payment.charge.next_follow_up_at is not None


# Answers that are older than the books.


def test_an_answer_to_older_books_is_no_more_than_a_callback():
    payment = held()
    older = Books(PaymentStatus.AUTHORIZED, WHOLE, 0, 0)
    key = uuid4()
    payment = apply(payment, CapturePayment(payment.id, key))
    payment = apply(payment, performed(payment, key, Outcome.SUCCEEDED))
    stale = msgspec.structs.replace(shown(payment, PaymentStatus.AUTHORIZED, authorized=WHOLE), books=older)
    decision = decide(payment, stale, NOW)
    assert (decision.payment.contradiction, decision.payment.captured) == (None, WHOLE)
    fresh = msgspec.structs.replace(stale, books=Books(PaymentStatus.CAPTURED, WHOLE, WHOLE, 0))
    assert decide(payment, fresh, NOW).payment.contradiction == "AUTHORIZED there, CAPTURED here"


def test_an_answer_to_older_books_that_contradicts_them_is_asked_for_again():
    payment, _ = refunded()
    older = Books(PaymentStatus.CAPTURED, WHOLE, WHOLE, 0)
    stale = msgspec.structs.replace(shown(payment, PaymentStatus.CAPTURED, captured=WHOLE, refunded=0), books=older)
    assert asks(decide(payment, stale, NOW))


def test_a_request_carries_the_books_and_every_callback_leaves_other_payments_operations_alone():
    payment = paid()
    (request,) = decide(payment, told(payment, PaymentStatus.FAILED), NOW).requests
    assert request.books == Books(PaymentStatus.CAPTURED, WHOLE, WHOLE, 0)
    other = a_refund(OperationStatus.SUCCESS, 100, uuid4())
    callback = ProviderCallback(payment.id, payment.provider, "e", Observation(operations=(other,)))
    assert asks(decide(payment, callback, NOW))


def test_a_rollback_that_met_a_payment_is_a_refund_and_done():
    payment, key = unpaid(order=ORDER), uuid4()
    payment = apply(payment, RollbackPayment(payment.id, key, "cancelled"))
    payment = apply(payment, told(payment, PaymentStatus.CAPTURED, captured=WHOLE))
    assert payment.captured == WHOLE, "paid at the same moment"
    back = a_refund(OperationStatus.SUCCESS, WHOLE, key, "re-9")
    callback = told(payment, PaymentStatus.CAPTURED, operations=(back,))
    assert asks(decide(payment, callback, NOW))
    answer = shown(payment, PaymentStatus.REFUNDED, captured=WHOLE, refunded=WHOLE, operations=(back,))
    decision = decide(payment, answer, NOW)
    assert ledger(decision) == {"refunds": WHOLE, "clearing:yandex-pay": -WHOLE}
    assert (decision.payment.status, decision.payment.contradiction) == (PaymentStatus.REFUNDED, None)
    assert not any(operation.is_open for operation in decision.payment.operations)


@pytest.mark.parametrize("times", [1, 5])
def test_an_event_heard_again_and_under_another_name_is_one_capture(times: int):
    payment, postings = unpaid(order=ORDER), 0
    callback = told(payment, PaymentStatus.CAPTURED, captured=WHOLE)
    for message in [callback] * times + [msgspec.structs.replace(callback, dedupe="another")]:
        decision = decide(payment, message, NOW)
        payment, postings = decision.payment, postings + len(decision.postings)
        assert decision.requests == ()
    assert (payment.captured, postings) == (WHOLE, 1)
    assert one(payment, OperationType.CAPTURE).status is OperationStatus.SUCCESS
