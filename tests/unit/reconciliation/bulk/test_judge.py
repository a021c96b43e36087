"""The dry run of a row says what the payment then decides."""

from uuid import UUID, uuid4

import msgspec
import pytest

from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from reconciliation.bulk.judge import judge, refund_of
from storage.bulk.rows import Row, RowState, Verdict
from tests.support.factories import NOW, a_payment, an_order, told

ANNA = "anna@cinema.example"


def paid(amount: int = 10_000, currency: str = "RUB") -> Payment:
    payment = a_payment(order=an_order(amount, currency=currency))
    after = decide(payment, told(payment, PaymentStatus.CAPTURED), NOW).payment
    assert after is not None
    return after


def a_row(typed: str, payment: UUID | None = None) -> Row:
    return Row(
        job=UUID(int=1), number=2, operation_id=uuid4(), payment_id=payment or uuid4(), typed=typed, reason="asked",
        state=RowState.UNCHECKED,
    )  # fmt: skip


def judged(typed: str, payment: Payment | None, elsewhere: UUID | None = None) -> Verdict:
    return judge(a_row(typed), payment, elsewhere, ANNA, NOW)


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [("", "RUB", 10_000), ("25", "RUB", 2_500), ("12,50", "RUB", 1_250), ("1 0.5", "RUB", 1_050), ("25", "JPY", 25),
     ("1.005", "KWD", 1_005)],
)  # fmt: skip
def test_a_row_that_would_be_refunded_has_its_amount_and_the_version_it_is_for(
    typed: str, currency: str, amount: int
) -> None:
    payment = paid(currency=currency)
    found = judged(typed, payment)
    assert (found.state, found.amount, found.currency) == (RowState.WAITING, amount, currency)
    assert found.payment_version == payment.version


@pytest.mark.parametrize(
    ("typed", "currency", "code", "words"),
    [
        ("100.01", "RUB", "amount_exceeds_refundable", "10001 cannot be refunded: 10000 is left"),
        ("0", "RUB", "amount_exceeds_refundable", "0 cannot be refunded"),
        ("12.345", "RUB", "invalid_amount", "more decimals than RUB allows"),
        ("1,500", "RUB", "invalid_amount", "more decimals than RUB allows"),
        ("10.50", "JPY", "invalid_amount", "the payment is in JPY"),
        ("-5", "RUB", "invalid_amount", "not an amount"),
        ("five", "RUB", "invalid_amount", "not an amount"),
        ("1,299.50", "RUB", "invalid_amount", "not an amount"),
        ("٢٥", "RUB", "invalid_amount", "not an amount"),
        ("=1+1", "RUB", "invalid_amount", "not an amount"),
    ],
)
def test_a_row_that_would_be_refused_says_why(typed: str, currency: str, code: str, words: str) -> None:
    found = judged(typed, paid(currency=currency))
    assert (found.state, found.code) == (RowState.REFUSED, code)
    assert words in (found.detail or "")


def test_the_payment_s_own_refusals_are_the_dry_run_s() -> None:
    payment = paid()
    assert judged("", msgspec.structs.replace(payment, refunds_blocked=True)).code == "refunds_blocked"
    assert judged("", a_payment()).code == "not_captured"
    assert judged("", None).code == "payment_not_found"


def test_a_payment_that_another_job_has_is_left_to_it() -> None:
    other = uuid4()
    found = judged("", paid(), other)
    assert (found.state, found.code) == (RowState.REFUSED, "in_another_job")
    assert str(other) in (found.detail or "")


def test_a_payment_that_changed_since_the_dry_run_refuses() -> None:
    payment = paid()
    row = a_row("25", payment.id)
    found = judge(row, payment, None, ANNA, NOW)
    assert found.amount is not None
    assert found.payment_version is not None
    command = refund_of(row, found.amount, found.payment_version, ANNA)
    later = decide(payment, refund_of(a_row("1", payment.id), 100, payment.version, ANNA), NOW).payment
    assert decide(payment, command, NOW).refusal is None
    refusal = decide(later, command, NOW).refusal
    assert refusal is not None
    assert refusal.code == "version_changed"
