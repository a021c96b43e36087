"""Which method a payment saves, and which declines end one."""

from datetime import date

import pytest

from billing.payments.decide import decide
from billing.subscriptions.methods import method_id
from billing.vocabulary import CaptureMode, Outcome, PaymentStatus
from tests.support.factories import NOW, PROVIDER, a_payment, apply, later, opened, performed, told

CUSTOMER = "customer-1"
SAVED = {"method_ref": "method-7", "method_title": "Mir *4242", "method_expires": "2028-02"}


def test_a_payment_saves_its_method_with_the_decision_that_it_is_paid():
    payment = a_payment(save_method=True)
    payment = apply(payment, opened(payment))
    decision = decide(payment, told(payment, PaymentStatus.CAPTURED, **SAVED), later(5))
    saved = decision.saved
    assert saved is not None
    assert (saved.id, saved.client_id, saved.customer_id) == (
        method_id(PROVIDER, CUSTOMER, "method-7"),
        "shop",
        CUSTOMER,
    )
    assert (saved.method_ref, saved.title, saved.expires_on) == ("method-7", "Mir *4242", date(2028, 2, 29))
    assert (saved.created_at, saved.at, saved.payment_id) == (NOW, later(5), payment.id)


def test_a_held_payment_saves_it_too_and_the_capture_does_not_save_it_again():
    payment = a_payment(save_method=True, capture_mode=CaptureMode.TWO_STAGE)
    payment = apply(payment, opened(payment))
    held = decide(payment, told(payment, PaymentStatus.AUTHORIZED, **SAVED), NOW)
    assert held.saved is not None
    assert held.payment is not None
    assert decide(held.payment, told(payment, PaymentStatus.CAPTURED, **SAVED), NOW).saved is None


def test_a_method_whose_name_comes_after_the_money_is_saved_then():
    payment = a_payment(save_method=True)
    paid = apply(payment, opened(payment), told(payment, PaymentStatus.CAPTURED))
    assert decide(paid, told(payment, PaymentStatus.CAPTURED, **SAVED), NOW).saved is not None


@pytest.mark.parametrize(
    ("save", "status"), [(True, PaymentStatus.PENDING), (True, PaymentStatus.FAILED), (False, PaymentStatus.CAPTURED)]
)
def test_nothing_else_saves_a_method(save: bool, status: PaymentStatus):
    payment = a_payment(save_method=save)
    payment = apply(payment, opened(payment))
    assert decide(payment, told(payment, status, **SAVED), NOW).saved is None


def test_a_month_that_is_none_leaves_the_expiry_open():
    payment = a_payment(save_method=True)
    payment = apply(payment, opened(payment))
    saved = decide(payment, told(payment, PaymentStatus.CAPTURED, method_ref="m", method_expires="2028-13"), NOW).saved
    assert saved is not None
    assert saved.expires_on is None


@pytest.mark.parametrize("reason", ["method_revoked", "fraud_suspected"])
def test_a_decline_for_good_ends_the_method(reason: str):
    payment = a_payment(saved_method="method-7")
    declined = performed(payment, payment.charge.id, Outcome.DECLINED, reason=reason)
    decision = decide(payment, declined, NOW)
    assert decision.died is not None
    assert (decision.died.id, decision.died.reason) == (method_id(PROVIDER, CUSTOMER, "method-7"), reason)
    assert decision.payment is not None
    assert decide(decision.payment, declined, NOW).died is None


@pytest.mark.parametrize("reason", ["insufficient_funds", "declined", "card_expired"])
def test_another_decline_leaves_the_method_alive(reason: str):
    payment = a_payment(saved_method="method-7")
    assert decide(payment, performed(payment, payment.charge.id, Outcome.DECLINED, reason=reason), NOW).died is None


def test_ids_of_methods_do_not_meet():
    assert method_id("stripe", "c", "1") == method_id("stripe", "c", "1")
    assert len({method_id("stripe", "c", "1"), method_id("tbank", "c", "1"), method_id("stripe", "c-2", "1")}) == 3
