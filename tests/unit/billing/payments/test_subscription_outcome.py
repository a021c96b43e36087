"""What a subscription is told of its payments, and what such a payment does not do by itself."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import PaymentOutcome, ReportOutcome
from billing.orders import FIRST, RENEWAL, Order, SubscriptionRef
from billing.payments.decide import decide
from billing.payments.entitlement import entitled
from billing.payments.model import Payment
from billing.signals import signals_for
from billing.vocabulary import Action, Lane, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create, a_payment, an_order, apply, later, opened, performed, shown, told

SUBSCRIPTION = UUID(int=14)


def of_subscription(purpose: str = RENEWAL) -> Order:
    return msgspec.structs.replace(an_order(), subscription=SubscriptionRef(SUBSCRIPTION, 3, 2, purpose))


def a_renewal(**fields: object) -> Payment:
    return a_payment(order=of_subscription(), saved_method="method-1", **fields)


def a_first() -> Payment:
    return a_payment(order=of_subscription(FIRST), save_method=True)


def outcome(payment: Payment | None, message: object, at: object = NOW) -> PaymentOutcome:
    found = decide(payment, message, at).outcome  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_subscription_hears_of_every_change_and_of_nothing_else():
    decision = decide(None, a_create(order=of_subscription(), saved_method="method-1"), NOW)
    payment = decision.payment
    assert payment is not None
    assert decision.outcome is not None
    assert decision.outcome.payment_version == 1
    charged = performed(payment, payment.charge.id, Outcome.SUCCEEDED, provider_ref="order-1")
    decision = decide(payment, charged, later(1))
    assert decision.outcome is not None
    assert decision.payment is not None
    assert decision.outcome.payment_version == decision.payment.version == 2
    assert decide(decision.payment, charged, later(2)).outcome is None


def test_the_outcome_of_a_renewal_says_whose_it_is_and_what_became_of_it():
    payment = a_renewal()
    told_of = outcome(payment, performed(payment, payment.charge.id, Outcome.SUCCEEDED), later(1))
    assert (told_of.subscription_id, told_of.period, told_of.attempt, told_of.purpose) == (SUBSCRIPTION, 3, 2, RENEWAL)
    assert (told_of.state, told_of.operation_state) == ("CAPTURED", "SUCCEEDED")
    assert (told_of.amount, told_of.captured, told_of.refunded, told_of.currency) == (59_900, 59_900, 0, "RUB")
    assert (told_of.method_ref, told_of.reason, told_of.at) == ("method-1", None, later(1))


def test_a_decline_comes_with_whose_reason_it_is_what_helps_and_how_long_to_wait():
    payment = a_renewal()
    declined = performed(
        payment, payment.charge.id, Outcome.DECLINED, reason="insufficient_funds", retry_after_s=86_400
    )
    told_of = outcome(payment, declined)
    assert (told_of.state, told_of.operation_state) == ("FAILED", "FAILED")
    assert (told_of.reason, told_of.kind, told_of.help) == ("insufficient_funds", "issuer", "retry_later")
    assert told_of.retry_after_s == 86_400
    assert outcome(apply(payment, declined), ReportOutcome(payment.id)).retry_after_s == 86_400


@pytest.mark.parametrize(
    ("ended", "state"), [(Outcome.PENDING, "PENDING"), (Outcome.NOT_SENT, "NOT_SENT"), (Outcome.UNKNOWN, "UNKNOWN")]
)
def test_an_open_charge_says_what_is_known_of_its_call(ended: Outcome, state: str):
    payment = a_renewal()
    told_of = outcome(payment, performed(payment, payment.charge.id, ended, reason="timeout"))
    assert (told_of.state, told_of.operation_state, told_of.reason) == ("PENDING", state, None)


def test_the_first_payment_brings_the_page_and_then_the_method():
    payment = a_first()
    assert outcome(payment, opened(payment)).payment_url == "https://pay.example/1"
    paid = told(
        payment,
        PaymentStatus.CAPTURED,
        method_ref="method-7",
        method_title="Mir *4242",
        method_expires="2028-04",
    )
    told_of = outcome(apply(payment, opened(payment)), paid)
    assert (told_of.method_ref, told_of.method_title, told_of.method_expires) == ("method-7", "Mir *4242", "2028-04")


def test_an_outcome_is_said_again_on_request_without_a_change():
    payment = a_renewal()
    decision = decide(payment, ReportOutcome(payment.id), later(60))
    assert decision.payment is payment
    assert decision.event is None
    assert decision.outcome is not None
    assert decision.outcome.payment_version == payment.version
    assert decision.outcome.at == payment.updated_at


def test_a_payment_without_a_subscription_has_nobody_to_tell():
    payment = a_payment()
    assert decide(payment, opened(payment), NOW).outcome is None
    assert decide(payment, ReportOutcome(payment.id), NOW).outcome is None


def test_a_request_about_a_payment_that_does_not_exist_is_refused_and_no_fault():
    decision = decide(None, ReportOutcome(uuid4()), NOW)
    assert decision.refusal is not None
    assert decision.refusal.code == "payment_not_found"


def test_a_payment_that_is_refused_is_told_as_failed_by_our_mistake():
    order = msgspec.structs.replace(of_subscription(), amount=1)
    decision = decide(None, a_create(order=order, saved_method="method-1"), NOW)
    assert decision.refusal is not None
    told_of = decision.outcome
    assert told_of is not None
    assert (told_of.state, told_of.operation_state, told_of.payment_version) == ("FAILED", None, 0)
    assert (told_of.reason, told_of.kind) == ("invalid_request", "ours")


def test_a_purpose_that_is_none_is_refused():
    assert decide(None, a_create(order=of_subscription("GIFT")), NOW).refusal is not None


@pytest.mark.parametrize("status", [PaymentStatus.CAPTURED, PaymentStatus.FAILED])
def test_a_payment_of_a_subscription_grants_no_access_and_writes_no_letter(status: PaymentStatus):
    first = a_first()
    payment = apply(first, opened(first))
    decision = decide(payment, shown(payment, status), NOW)
    assert decision.payment is not None
    assert decision.payment.status is status
    assert decision.event is not None
    assert decision.event.subscription == SubscriptionRef(SUBSCRIPTION, 3, 2, FIRST)
    assert entitled(decision.payment) == ()
    assert signals_for(decision.event) == ()


def test_a_renewal_is_charged_and_asked_about_in_its_own_lane_and_refunded_in_the_other():
    payment = a_renewal()
    created = decide(None, a_create(order=of_subscription(), saved_method="method-1"), NOW)
    assert [(r.action, r.lane) for r in created.requests] == [(Action.RECUR, Lane.RENEWAL)]
    unknown = apply(payment, performed(payment, payment.charge.id, Outcome.UNKNOWN, reason="timeout"))
    asked = decide(unknown, shown(unknown, None), NOW)
    assert {r.lane for r in asked.requests} <= {Lane.RENEWAL}
    assert {r.lane for r in decide(None, a_create(order=of_subscription(FIRST)), NOW).requests} == {Lane.INTERACTIVE}
    assert {r.lane for r in decide(None, a_create(saved_method="method-1"), NOW).requests} == {Lane.INTERACTIVE}


def test_a_request_says_until_when_the_charge_may_be_sent():
    until = NOW + timedelta(hours=24)
    decision = decide(None, a_create(order=of_subscription(), saved_method="method-1", not_after=until), NOW)
    assert [r.not_after for r in decision.requests] == [until]
