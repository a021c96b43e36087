"""What the panel says of a refusal: made from those that decide() really gives."""

import re
from uuid import uuid4

import pytest

from admin.payments.refusals import in_words
from billing.messages import CapturePayment, CorrectPayment, PaymentMessage, RefundPayment, Refusal, VoidPayment
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from tests.support.factories import NOW, an_order, apply, authorized, captured, unpaid

#: States, types and outcomes as the code names them.
INTERNAL = re.compile(r"\b[A-Z]{4,}[A-Z_]*\b")


def said(payment: Payment, command: PaymentMessage) -> str:
    refusal = decide(payment, command, NOW).refusal
    assert refusal is not None
    return in_words(refusal, payment)


def of_type(payment: Payment, kind: OperationType) -> CorrectPayment:
    operation = next(o for o in payment.operations if o.type is kind)
    return CorrectPayment(payment.id, uuid4(), operation.id, False, "ann", "console")


def test_amounts_are_in_the_form_of_their_currency():
    paid = captured(order=an_order(1_259_900))
    words = said(paid, RefundPayment(paid.id, uuid4(), "asked", 1_260_000))
    assert words == "12\u202f600.00 RUB cannot be refunded: 12\u202f599.00 RUB is left."
    yen = captured(order=an_order(500, currency="JPY"))
    assert said(yen, RefundPayment(yen.id, uuid4(), "asked", 501)) == "501 JPY cannot be refunded: 500 JPY is left."
    hold = authorized(order=an_order(10_000))
    words = said(hold, CapturePayment(hold.id, uuid4(), 10_001))
    assert words == "100.01 RUB cannot be captured of 100.00 RUB authorized."


@pytest.mark.parametrize(
    ("command", "part"),
    [(CapturePayment, "nothing is held"), (VoidPayment, "nothing is held"), (RefundPayment, "nothing was captured")],
)
def test_a_state_is_called_as_the_page_calls_it(command, part):
    waiting = unpaid()
    reason = () if command is CapturePayment else ("asked",)
    words = said(waiting, command(waiting.id, uuid4(), *reason))
    assert words.startswith("The payment's state is “waits for the customer”: " + part)
    assert INTERNAL.findall(words) == []


def test_an_operation_that_is_under_way_is_named_by_its_word():
    hold = authorized()
    capturing = apply(hold, CapturePayment(hold.id, uuid4()))
    words = said(capturing, VoidPayment(hold.id, uuid4(), "asked"))
    assert words == "The payment cannot be captured or released now: its capture is still under way."


def test_why_a_correction_is_impossible_keeps_what_was_said_with_amounts():
    paid = captured()
    refunding = apply(paid, RefundPayment(paid.id, uuid4(), "asked", 100))
    words = said(refunding, of_type(refunding, OperationType.CAPTURE))
    assert words == "This capture has refunds or chargebacks: correct those first."
    refusal = Refusal("correction_impossible", "the payment moved on from pay24: 59900 is more than the 100 refundable")
    assert in_words(refusal, paid) == (
        "The payment moved on from pay24: 599.00 RUB is more than the 1.00 RUB refundable."
    )


def test_numbers_that_are_no_money_stay():
    refusal = Refusal("version_changed", "the payment is at version 4, the command is for 3")
    assert in_words(refusal, captured()) == "The payment is at version 4, the command is for 3."


@pytest.mark.parametrize("status", PaymentStatus)
def test_no_state_has_an_internal_name(status):
    paid = captured()
    refused = Refusal("not_authorized", f"a {status} payment has no hold")
    assert INTERNAL.findall(in_words(refused, paid)) == []
    assert OperationStatus.PENDING not in in_words(Refusal("outcome_unknown", "x"), paid)
