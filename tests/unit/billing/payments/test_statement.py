"""Lines of a provider's statement: movements made by hand, undone refunds, chargebacks. Each is booked once."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.messages import (
    CapturePayment,
    CorrectPayment,
    Message,
    ObservedOperation,
    RecordChargeback,
    RecordMovement,
    RefundPayment,
    ReplyTo,
    UndoRefund,
)
from billing.payments.decide import decide
from billing.payments.decision import Decision
from billing.payments.model import Payment
from billing.signals.payments import signals_for_payment
from billing.vocabulary import OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import (
    NOW,
    PROVIDER,
    a_payment,
    an_order,
    apply,
    authorized,
    captured,
    later,
    performed,
    shown,
    unpaid,
)

WHOLE = 30_000
ORDER = an_order(WHOLE)


def paid() -> Payment:
    return captured(order=ORDER)


def refunded(amount: int) -> tuple[Payment, UUID]:
    """A paid payment with a refund that succeeded; the refund."""
    payment, key = paid(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", amount))
    return apply(payment, performed(payment, key, Outcome.SUCCEEDED, provider_ref="re-1")), key


def by_hand(payment: Payment, type: str, amount: int, line: str = "line-1", ref: str | None = None, **fields: object):
    return RecordMovement(payment.id, PROVIDER, line, type, amount, "Olga", "seen in the console", ref, **fields)


def chargeback(payment: Payment, amount: int, line: str = "line-1", *, undone: bool = False) -> RecordChargeback:
    return RecordChargeback(payment.id, PROVIDER, line, "dispute-1", amount, undone)


def ledger(*decisions: Decision) -> dict[str, int]:
    balances: dict[str, int] = {}
    for decision in decisions:
        for posting in decision.postings:
            for entry in posting.entries:
                balances[str(entry.account)] = balances.get(str(entry.account), 0) + entry.amount
    return balances


def is_refused(decision: Decision, code: str = "movement_impossible") -> bool:
    return decision.refusal is not None and decision.refusal.code == code and decision.event is None


# Movements made by hand.


def test_a_refund_made_by_hand_is_booked_on_an_operators_word():
    payment = paid()
    decision = decide(payment, by_hand(payment, "REFUND", 10_000, ref="re-9", reply_to=ReplyTo(1, "c")), NOW)
    assert decision.payment is not None
    assert decision.reply is not None
    assert (decision.payment.status, decision.payment.refunded) == (PaymentStatus.PARTIALLY_REFUNDED, 10_000)
    assert ledger(decision) == {"refunds": 10_000, f"clearing:{PROVIDER}": -10_000}
    made = decision.payment.operations[-1]
    assert (made.provider_ref, made.reason, made.status) == (
        "re-9",
        "corrected: seen in the console",
        OperationStatus.SUCCESS,
    )


@pytest.mark.parametrize("make", [authorized, unpaid])
def test_a_capture_made_by_hand_is_booked(make):
    payment = make(order=ORDER)
    decision = decide(payment, by_hand(payment, "CAPTURE", 20_000), NOW)
    assert decision.payment is not None
    assert (decision.payment.status, decision.payment.captured) == (PaymentStatus.CAPTURED, 20_000)
    assert ledger(decision) == {f"clearing:{PROVIDER}": 20_000, "revenue": -20_000}


def test_a_line_is_booked_once_however_often_it_comes():
    payment = paid()
    line = by_hand(payment, "REFUND", 10_000)
    once = apply(payment, line)
    again = decide(once, line, later(1))
    assert (again.payment, again.postings, again.event) == (once, (), None)
    other = apply(once, by_hand(payment, "REFUND", 10_000, "line-2"))
    assert other.refunded == 20_000


def test_a_line_that_was_corrected_away_is_not_booked_again_by_a_repeat():
    payment = paid()
    line = by_hand(payment, "REFUND", 10_000)
    payment = apply(payment, line)
    made = payment.operations[-1]
    payment = apply(payment, CorrectPayment(payment.id, uuid4(), made.id, False, "Olga", "the wrong payment"))
    assert apply(payment, line).refunded == 0


@pytest.mark.parametrize(
    ("make", "type", "amount"),
    [
        (paid, "REFUND", WHOLE + 1),
        (paid, "REFUND", 0),
        (lambda: refunded(20_000)[0], "REFUND", 10_001),
        (lambda: apply(paid(), chargeback(paid(), 1)), "CAPTURE", 1),
        (lambda: authorized(order=ORDER), "CAPTURE", WHOLE + 1),
        (lambda: authorized(order=ORDER), "REFUND", 1),
        (paid, "CAPTURE", 1),
    ],
)
def test_a_movement_beyond_what_there_is_is_refused(make, type, amount):
    payment = make()
    assert is_refused(decide(payment, by_hand(payment, type, amount), NOW))


def test_a_capture_by_hand_waits_for_the_outcome_of_ours():
    payment = authorized(order=ORDER)
    payment = apply(payment, CapturePayment(payment.id, uuid4()))
    assert is_refused(decide(payment, by_hand(payment, "CAPTURE", WHOLE), NOW))


def test_a_movement_at_another_provider_or_of_a_saved_method_is_refused():
    payment = paid()
    elsewhere = RecordMovement(payment.id, "stripe", "line-1", "REFUND", 1, "Olga", "by hand")
    assert is_refused(decide(payment, elsewhere, NOW))
    renewal = a_payment(order=ORDER, saved_method="method-1")
    assert is_refused(decide(renewal, by_hand(renewal, "CAPTURE", WHOLE), NOW))


def test_a_movement_of_no_payment_is_refused():
    assert is_refused(decide(None, by_hand(paid(), "REFUND", 1), NOW), "payment_not_found")


def test_a_refund_that_an_answer_booked_is_not_booked_again_by_its_line():
    payment = paid()
    seen = ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, None, "re-9", 10_000)
    payment = apply(payment, shown(payment, PaymentStatus.CAPTURED, operations=(seen,), refunded=10_000))
    line = by_hand(payment, "REFUND", 10_000, ref="re-9")
    assert decide(payment, line, NOW).postings == ()
    other = decide(payment, by_hand(payment, "REFUND", 9_000, ref="re-9"), NOW)
    assert is_refused(other), "the same refund with another amount is for a person"


def test_a_refund_that_a_line_booked_is_not_booked_again_by_an_answer():
    payment = paid()
    payment = apply(payment, by_hand(payment, "REFUND", 10_000, ref="re-9"))
    seen = ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, None, "re-9", 10_000)
    decision = decide(
        payment, shown(payment, PaymentStatus.CAPTURED, operations=(seen,), refunded=10_000, captured=WHOLE), NOW
    )
    assert decision.payment is not None
    assert (decision.payment.refunded, decision.payment.contradiction, decision.postings) == (10_000, None, ())


# Undone refunds.


def undo(payment: Payment, refund: UUID, amount: int, line: str = "line-1", provider: str = PROVIDER) -> UndoRefund:
    return UndoRefund(payment.id, provider, line, refund, amount)


def test_a_refund_that_the_provider_undid_is_reversed_once():
    payment, key = refunded(WHOLE)
    assert payment.status is PaymentStatus.REFUNDED
    decision = decide(payment, undo(payment, key, WHOLE), NOW)
    assert decision.payment is not None
    assert (decision.payment.status, decision.payment.refunded) == (PaymentStatus.CAPTURED, 0)
    assert ledger(decision) == {"refunds": -WHOLE, f"clearing:{PROVIDER}": WHOLE}
    undone = decision.payment.operation(key)
    assert undone is not None
    assert (undone.status, undone.reason) == (OperationStatus.FAIL, "undone_at_provider")
    again = decide(decision.payment, undo(payment, key, WHOLE), later(1))
    assert (again.payment, again.postings) == (decision.payment, ())


def test_a_part_of_a_refund_is_not_undone():
    payment, key = refunded(WHOLE)
    assert is_refused(decide(payment, undo(payment, key, WHOLE - 1), NOW))


def test_a_refund_that_is_open_is_not_undone_before_its_outcome_is_known():
    payment, key = paid(), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", 10_000))
    assert is_refused(decide(payment, undo(payment, key, 10_000), NOW))


def test_what_is_no_refund_of_this_provider_is_not_undone():
    payment, key = refunded(WHOLE)
    assert is_refused(decide(payment, undo(payment, payment.charge.id, WHOLE), NOW), "unknown_operation")
    assert is_refused(decide(payment, undo(payment, key, WHOLE, provider="stripe"), NOW), "unknown_operation")


def test_an_answer_that_still_lists_the_undone_refund_does_not_book_it_again():
    payment, key = refunded(WHOLE)
    payment = apply(payment, undo(payment, key, WHOLE))
    seen = ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, key, "re-1", WHOLE)
    payment = apply(payment, shown(payment, PaymentStatus.REFUNDED, operations=(seen,), refunded=WHOLE))
    assert (payment.refunded, payment.contradiction) == (0, f"REFUND {key} was corrected here")


def test_the_line_of_a_refund_that_an_answer_undid_changes_no_amount():
    payment, key = refunded(WHOLE)
    seen = ObservedOperation(OperationType.REFUND, OperationStatus.FAIL, key, "re-1", WHOLE)
    payment = apply(payment, shown(payment, PaymentStatus.CAPTURED, operations=(seen,), refunded=0))
    decision = decide(payment, undo(payment, key, WHOLE), NOW)
    assert decision.payment is not None
    assert (decision.payment.refunded, decision.postings) == (0, ())


# Chargebacks.


def test_a_chargeback_is_booked_and_the_status_stays():
    payment = paid()
    decision = decide(payment, chargeback(payment, 10_000), NOW)
    assert decision.payment is not None
    assert decision.event is not None
    assert (decision.payment.status, decision.payment.charged_back) == (PaymentStatus.CAPTURED, 10_000)
    assert decision.event.charged_back == 10_000
    assert ledger(decision) == {"chargebacks": 10_000, f"clearing:{PROVIDER}": -10_000}
    made = decision.payment.operations[-1]
    assert (made.type, made.provider_ref, made.status) == (
        OperationType.CHARGEBACK,
        "dispute-1",
        OperationStatus.SUCCESS,
    )


def test_a_chargeback_that_was_undone_gives_the_money_back():
    payment = paid()
    first = decide(payment, chargeback(payment, WHOLE), NOW)
    second = decide(first.payment, chargeback(payment, WHOLE, "line-2", undone=True), NOW)
    assert second.payment is not None
    assert second.payment.charged_back == 0
    assert ledger(first, second) == {"chargebacks": 0, f"clearing:{PROVIDER}": 0}


def test_a_whole_chargeback_ends_access_and_its_reversal_opens_it_again():
    payment = paid()
    part = decide(payment, chargeback(payment, WHOLE - 1), NOW)
    assert part.event is not None
    assert signals_for_payment(part.event) == ()
    whole = decide(part.payment, chargeback(payment, 1, "line-2"), later(1))
    assert whole.event is not None
    assert [(s.routing_key, s.body.reason) for s in signals_for_payment(whole.event)] == [
        ("auth.deny_access", "payment charged back")
    ]
    back = decide(whole.payment, chargeback(payment, WHOLE, "line-3", undone=True), later(2))
    assert back.event is not None
    assert [s.routing_key for s in signals_for_payment(back.event)] == ["auth.allow_access"]


def test_a_chargeback_of_what_a_refund_left_ends_access():
    payment, _ = refunded(10_000)
    decision = decide(payment, chargeback(payment, WHOLE - 10_000), NOW)
    assert decision.event is not None
    assert [s.routing_key for s in signals_for_payment(decision.event)] == ["auth.deny_access"]


def test_money_that_was_charged_back_cannot_be_refunded():
    payment = paid()
    payment = apply(payment, chargeback(payment, 20_000))
    refused = decide(payment, RefundPayment(payment.id, uuid4(), "asked", 10_001), NOW)
    assert is_refused(refused, "amount_exceeds_refundable")
    key = uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked"))
    rest = payment.operation(key)
    assert rest is not None
    assert rest.amount == 10_000


@pytest.mark.parametrize(
    ("make", "amount", "undone"),
    [
        (paid, WHOLE + 1, False),
        (paid, 0, False),
        (paid, 1, True),
        (lambda: refunded(20_000)[0], 10_001, False),
        (lambda: authorized(order=ORDER), 1, False),
        (lambda: unpaid(order=ORDER), 1, False),
    ],
)
def test_a_chargeback_beyond_what_there_is_is_refused(make, amount, undone):
    payment = make()
    assert is_refused(decide(payment, chargeback(payment, amount, undone=undone), NOW))


def test_a_chargeback_does_not_take_what_an_open_refund_reserves():
    payment = paid()
    payment = apply(payment, RefundPayment(payment.id, uuid4(), "asked", WHOLE))
    assert is_refused(decide(payment, chargeback(payment, 1), NOW))


def test_a_refund_in_the_console_of_charged_back_money_goes_to_a_person():
    payment = paid()
    payment = apply(payment, chargeback(payment, 20_000))
    payment = apply(payment, shown(payment, PaymentStatus.REFUNDED, refunded=WHOLE, captured=WHOLE))
    assert payment.refunded == 0
    assert payment.contradiction is not None
    assert "charged back" in payment.contradiction


def test_a_chargeback_that_was_none_is_corrected_and_one_that_came_back_is_not():
    payment = paid()
    payment = apply(payment, chargeback(payment, 20_000))
    made = payment.operations[-1]
    wrong = CorrectPayment(payment.id, uuid4(), made.id, False, "Olga", "another payment's")
    corrected = decide(payment, wrong, NOW)
    assert corrected.payment is not None
    assert (corrected.payment.charged_back, corrected.payment.status) == (0, PaymentStatus.CAPTURED)
    assert ledger(corrected) == {"chargebacks": -20_000, f"clearing:{PROVIDER}": 20_000}
    undone = apply(payment, chargeback(payment, 20_000, "line-2", undone=True))
    assert is_refused(decide(undone, wrong, NOW), "correction_impossible")


def test_a_capture_that_was_charged_back_is_not_corrected_away():
    payment = paid()
    payment = apply(payment, chargeback(payment, 1))
    capture = next(o for o in payment.operations if o.type is OperationType.CAPTURE)
    wrong = CorrectPayment(payment.id, uuid4(), capture.id, False, "Olga", "not paid")
    assert is_refused(decide(payment, wrong, NOW), "correction_impossible")


# Any order, any repeats.

REFUND = uuid4()
BASE = paid()
LINES: tuple[Message, ...] = (
    chargeback(BASE, 7_000, "a"),
    chargeback(BASE, 7_000, "b", undone=True),
    chargeback(BASE, 5_000, "c"),
    by_hand(BASE, "REFUND", 4_000, "d", "re-d"),
    RefundPayment(BASE.id, REFUND, "asked", 6_000),
    undo(BASE, REFUND, 6_000, "e"),
)


@given(order=st.permutations(LINES), repeats=st.lists(st.sampled_from(LINES), max_size=8))
def test_in_any_order_and_with_repeats_lines_lead_to_the_same_books(order, repeats):
    payment, decisions = BASE, []
    for message in [*order, *repeats, *order, *order, *order]:  # a line that is refused comes again
        decision = decide(payment, message, NOW)
        decisions.append(decision)
        assert decision.payment is not None
        payment = decision.payment
        if (refund := payment.operation(REFUND)) is not None and refund.is_open:
            decisions.append(decide(payment, performed(payment, REFUND, Outcome.SUCCEEDED, provider_ref="re-1"), NOW))
            assert decisions[-1].payment is not None
            payment = decisions[-1].payment
    assert (payment.charged_back, payment.refunded, payment.status) == (5_000, 4_000, PaymentStatus.PARTIALLY_REFUNDED)
    assert ledger(*decisions) == {"chargebacks": 5_000, "refunds": 4_000, f"clearing:{PROVIDER}": -9_000}
    ids = [posting.id for decision in decisions for posting in decision.postings]
    assert len(ids) == len(set(ids))
