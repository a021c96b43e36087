"""What each product brought in."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from billing.messages import ProviderResult, RefundLine, RefundPayment
from billing.messages.event_parts import LineView
from billing.payments.allocation import lines, spread
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Action, Outcome, PaymentStatus
from tests.support.factories import NOW, a_payment, an_order, apply, told


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**10), max_size=20))
def test_shares_add_up_to_the_last_unit_and_differ_from_the_proportion_by_less_than_one(
    amount: int, weights: list[int]
) -> None:
    shares = spread(amount, weights)

    total = sum(weights)
    assert sum(shares) == (amount if total else 0)
    assert all(
        abs(share * total - amount * weight) < total for share, weight in zip(shares, weights, strict=True) if total
    )


def after(payment: Payment, *refunds: tuple[int | None, tuple[RefundLine, ...]]) -> Payment:
    now = apply(payment, told(payment, PaymentStatus.CAPTURED))
    for amount, items in refunds:
        id = uuid4()
        asked = apply(now, RefundPayment(now.id, id, "asked", amount, items))
        done = ProviderResult(now.id, id, now.provider, Action.REFUND, Outcome.SUCCEEDED)
        now = apply(asked, done)
    return now


def test_a_refund_by_items_counts_for_them_and_one_by_amount_for_what_is_left() -> None:
    payment = a_payment(order=an_order(100, 200, 300))

    assert lines(payment) == tuple(LineView(f"film-{n}", 0, 0) for n in (1, 2, 3))
    assert lines(after(payment, (None, (RefundLine("film-2", 1),)), (41, ()))) == (
        LineView("film-1", 100, 10),
        LineView("film-2", 200, 200),
        LineView("film-3", 300, 31),
    )


def test_the_event_tells_of_lines_postings_and_the_call_that_ended() -> None:
    payment = a_payment()
    event = decide(payment, told(payment, PaymentStatus.CAPTURED), NOW).event
    assert event.lines == (LineView("film-1", 59_900, 0),)
    assert [(entry.account, entry.amount) for posting in event.postings for entry in posting.entries] == [
        ("clearing:yandex-pay", 59_900),
        ("revenue", -59_900),
    ]
    assert event.call is None

    operation = payment.operations[0]
    declined = ProviderResult(
        payment.id,
        operation.id,
        payment.provider,
        Action.CREATE,
        Outcome.DECLINED,
        reason="insufficient_funds",
        duration_ms=12.3456,
    )
    event = decide(payment, declined, NOW).event
    assert (event.call.outcome, event.call.duration_us, event.call.reason) == ("DECLINED", 12_346, "insufficient_funds")
