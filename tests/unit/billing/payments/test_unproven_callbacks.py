"""A callback without proof: it moves nothing, and the provider is asked, unless the books have all that it says."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.messages import CapturePayment, Observation, ObservedOperation, ProviderCallback, RefundPayment
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import (
    NOW,
    a_payment,
    an_order,
    apply,
    authorized,
    captured,
    performed,
    shown,
    unpaid,
)

WHOLE = 30_000
ORDER = an_order(WHOLE)


def unproven(payment: Payment, claimed: Observation | None) -> ProviderCallback:
    return ProviderCallback(payment.id, payment.provider, "news/1", Observation(), ask=True, claimed=claimed)


def refunded(amount: int = 12_000) -> tuple[Payment, UUID]:
    """A paid payment with a refund that succeeded; the refund."""
    payment, key = captured(order=ORDER), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", amount))
    return apply(payment, performed(payment, key, Outcome.SUCCEEDED, provider_ref="re-1")), key


def a_refund(id: UUID, amount: int = 12_000, status: OperationStatus = OperationStatus.SUCCESS) -> Observation:
    refund = ObservedOperation(OperationType.REFUND, status, id, "re-1", amount)
    return Observation(operations=(refund,), currency="RUB")


def nothing_follows(payment: Payment, claimed: Observation | None) -> bool:
    decision = decide(payment, unproven(payment, claimed), NOW)
    asked = [request.action for request in decision.requests]
    assert asked in ([], [Action.INQUIRE])
    assert bool(asked) == (decision.payment is not payment), "without a question nothing changes, no event is made"
    return not asked


def test_a_capture_that_the_books_have_is_not_asked_about():
    payment = captured(order=ORDER)
    known = Observation(PaymentStatus.CAPTURED, captured=WHOLE, refunded=0, currency="RUB", order_ref=payment.order_ref)
    assert nothing_follows(payment, known)


def test_a_capture_of_a_hold_that_the_provider_has_confirmed_is_not_asked_about():
    payment = authorized(order=ORDER)
    key = uuid4()
    payment = apply(payment, CapturePayment(payment.id, key, WHOLE))
    said = Observation(PaymentStatus.CAPTURED, captured=WHOLE, refunded=0, currency="RUB")
    assert not nothing_follows(payment, said), "our capture is open: only an answer closes it"
    payment = apply(payment, performed(payment, key, Outcome.SUCCEEDED))
    assert nothing_follows(payment, said)


def test_a_refund_that_the_books_have_is_not_asked_about():
    payment, refund = refunded()
    assert nothing_follows(payment, a_refund(refund))


def test_a_refund_whose_answer_was_lost_is_asked_about():
    payment, key = captured(order=ORDER), uuid4()
    payment = apply(payment, RefundPayment(payment.id, key, "asked", 12_000))
    payment = apply(payment, performed(payment, key, Outcome.UNKNOWN))
    assert not nothing_follows(payment, a_refund(key))


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.CAPTURED, PaymentStatus.AUTHORIZED])
def test_news_of_an_unpaid_order_are_asked_about(status: PaymentStatus):
    assert not nothing_follows(unpaid(order=ORDER), Observation(status))


def test_what_says_otherwise_than_the_books_is_asked_about():
    payment, refund = refunded()
    for said in (
        a_refund(refund, 12_001),
        Observation(operations=(ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, None, "re-2", 5),)),
        a_refund(refund, status=OperationStatus.FAIL),
        Observation(PaymentStatus.CAPTURED, captured=WHOLE, refunded=12_001),
        Observation(PaymentStatus.CAPTURED, captured=WHOLE + 1),
        Observation(PaymentStatus.CAPTURED, captured=WHOLE, currency="EUR"),
        Observation(PaymentStatus.VOIDED),
        Observation(method_last4="4242"),
    ):
        assert not nothing_follows(payment, said), said


def test_what_names_another_order_is_asked_about():
    payment = captured(order=ORDER)
    said = Observation(PaymentStatus.CAPTURED, captured=WHOLE, order_ref="another")
    assert not nothing_follows(payment, said)


def test_what_cannot_be_read_is_asked_about():
    assert not nothing_follows(captured(order=ORDER), None)


def test_a_payment_that_the_provider_contradicts_is_asked_about():
    payment = captured(order=ORDER)
    payment = apply(payment, shown(payment, PaymentStatus.PENDING))
    assert payment.contradiction is not None
    assert not nothing_follows(payment, Observation(PaymentStatus.CAPTURED, captured=WHOLE))


_CLAIMS = st.builds(
    Observation,
    status=st.none() | st.sampled_from(PaymentStatus),
    operations=st.lists(
        st.builds(
            ObservedOperation,
            type=st.sampled_from([OperationType.REFUND, OperationType.VOID, OperationType.CAPTURE]),
            status=st.sampled_from(OperationStatus),
            provider_ref=st.sampled_from(["re-1", "re-2", None]),
            amount=st.none() | st.sampled_from([0, 1, 12_000, WHOLE]),
        ),
        max_size=2,
    ).map(tuple),
    authorized=st.none() | st.sampled_from([0, 1, WHOLE]),
    captured=st.none() | st.sampled_from([0, 1, WHOLE]),
    refunded=st.none() | st.sampled_from([0, 12_000, WHOLE]),
    order_ref=st.none() | st.just("another"),
    method_last4=st.none() | st.just("4242"),
)
_PAYMENTS = st.sampled_from(
    [
        a_payment(order=ORDER, client_id="site"),
        unpaid(order=ORDER),
        authorized(order=ORDER),
        captured(order=ORDER),
        refunded()[0],
        refunded(WHOLE)[0],
        unpaid(order=ORDER, save_method=True),
    ]
)


@given(_PAYMENTS, _CLAIMS)
def test_whatever_it_says_no_money_and_no_state_moves(payment: Payment, claimed: Observation):
    decision = decide(payment, unproven(payment, claimed), NOW)
    after = decision.payment
    assert after is not None
    for field in ("status", "authorized", "captured", "refunded", "order_ref", "method_last4", "contradiction"):
        assert getattr(after, field) == getattr(payment, field)
    assert [(o.id, o.status) for o in after.operations] == [(o.id, o.status) for o in payment.operations]
    assert decision.postings == ()
    assert {request.action for request in decision.requests} <= {Action.INQUIRE}
