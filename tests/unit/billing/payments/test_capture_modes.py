"""A merchant that is set up otherwise than the payment asked is noticed."""

import pytest

from billing.messages import Observation, ProviderResult
from billing.payments.capture_modes import shows_another_mode
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, Outcome, PaymentStatus
from tests.support.factories import a_payment, apply, authorized, captured, opened, shown, told

ONE, TWO = CaptureMode.ONE_STAGE, CaptureMode.TWO_STAGE


def open_payment(mode: CaptureMode) -> Payment:
    payment = a_payment(capture_mode=mode)
    return apply(payment, opened(payment))


def inquired(payment: Payment, status: PaymentStatus, action: Action = Action.INQUIRE) -> ProviderResult:
    operation = payment.operations[0]
    return ProviderResult(
        payment.id, operation.id, payment.provider, action, Outcome.SUCCEEDED, observed=Observation(status)
    )


def test_a_payment_in_two_stages_that_is_captured_at_once_shows_it_at_the_first_report():
    payment = open_payment(TWO)
    assert not shows_another_mode(payment, told(payment, PaymentStatus.CAPTURED)), "a callback makes us ask"
    answer = shown(payment, PaymentStatus.CAPTURED, captured=payment.order.amount)
    assert shows_another_mode(payment, answer)
    taken = apply(payment, answer)
    assert taken.status is PaymentStatus.CAPTURED
    assert not shows_another_mode(taken, answer), "once"


def test_a_hold_captured_in_the_provider_s_console_is_no_other_mode():
    held = authorized()
    assert not shows_another_mode(held, shown(held, PaymentStatus.CAPTURED, captured=100))


def test_a_payment_in_one_stage_that_is_still_held_when_asked_shows_it():
    payment = open_payment(ONE)
    held = apply(payment, told(payment, PaymentStatus.AUTHORIZED))
    assert shows_another_mode(held, inquired(held, PaymentStatus.AUTHORIZED))


@pytest.mark.parametrize(
    ("payment", "status"),
    [
        (open_payment(ONE), PaymentStatus.CAPTURED),
        (open_payment(ONE), PaymentStatus.AUTHORIZED),
        (open_payment(TWO), PaymentStatus.AUTHORIZED),
        (open_payment(TWO), PaymentStatus.FAILED),
        (captured(), PaymentStatus.CAPTURED),
        (authorized(), PaymentStatus.AUTHORIZED),
    ],
)
def test_a_payment_in_the_mode_that_it_asked_for_shows_nothing(payment, status):
    assert not shows_another_mode(payment, told(payment, status))
    if status is not PaymentStatus.AUTHORIZED or payment.capture_mode is TWO:
        assert not shows_another_mode(payment, inquired(payment, status))
