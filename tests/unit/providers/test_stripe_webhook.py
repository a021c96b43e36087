"""Stripe's signatures and events: what is believed, and what it says."""

import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import pytest

from billing.errors import InvalidMessage
from billing.vocabulary import OperationStatus, PaymentStatus
from providers.base import CallbackRejected
from providers.stripe.webhook import EVENTS, SIGNATURE, TOLERANCE_S, WebhookVerifier, parse

NOW = 1_800_000_000
SECRET, OLD, FOREIGN = "whsec_new", "whsec_old", "whsec_foreign"


def event(type: str = "payment_intent.succeeded", **object: Any) -> bytes:
    shown = {"id": "pi_1", "object": "payment_intent", "status": "succeeded"} | object
    return json.dumps({"id": "evt_1", "type": type, "created": NOW, "data": {"object": shown}}).encode()


def v1(body: bytes, secret: str = SECRET, at: int = NOW) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, secret: str = SECRET, at: int = NOW) -> str:
    return f"t={at},v1={v1(body, secret, at)}"


@pytest.fixture
def verifier() -> WebhookVerifier:
    return WebhookVerifier([OLD, SECRET], lambda: NOW)


@pytest.mark.parametrize("secret", [OLD, SECRET])
async def test_while_a_secret_is_replaced_both_are_believed(verifier, secret):
    assert (await verifier.verify({SIGNATURE: signed(event(), secret)}, event())).response == b'{"received":true}'


async def test_one_signature_that_matches_among_several_is_enough(verifier):
    header = f"t={NOW},v1={v1(event(), FOREIGN)},v0=00,v1={v1(event())}"
    assert (await verifier.verify({SIGNATURE: header}, event())).order_ref == "pi_1"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=",
        f"t={NOW}",
        f"v1={v1(event())}",
        f"t={NOW},v0={v1(event())}",
        f"t={NOW},v1=",
        f"t={NOW},v1=zz",
        f"t=soon,v1={v1(event())}",
        f"t=-1,v1={v1(event(), at=-1)}",
        signed(event(), FOREIGN),
        f"t={NOW},v1={v1(event())[:-2]}",
        f"t={NOW - 1},v1={v1(event())}",
        f"t={NOW},v1={v1(event(id='pi_2'))}",
    ],
    ids=[
        "no header", "empty", "no time", "no signature", "no time at all", "another scheme", "empty signature",
        "not hex", "not a time", "before the epoch", "forged", "cut short", "another time", "another body",
    ],
)  # fmt: skip
async def test_what_is_not_signed_by_stripe_is_refused(verifier, header):
    with pytest.raises(CallbackRejected) as caught:
        (await verifier.verify({SIGNATURE: header}, event()))
    assert caught.value.status == 400


@pytest.mark.parametrize("age_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
async def test_a_signature_from_another_time_is_refused(verifier, age_s):
    with pytest.raises(CallbackRejected):
        (await verifier.verify({SIGNATURE: signed(event(), at=NOW - age_s)}, event()))


@pytest.mark.parametrize("age_s", [-TOLERANCE_S, 0, TOLERANCE_S])
async def test_a_signature_within_the_tolerance_is_believed(verifier, age_s):
    assert await verifier.verify({SIGNATURE: signed(event(), at=NOW - age_s)}, event())


@pytest.mark.parametrize("secrets", [[], [""]])
async def test_without_a_secret_nothing_is_believed(secrets):
    with pytest.raises(CallbackRejected):
        await WebhookVerifier(secrets, lambda: NOW).verify({SIGNATURE: signed(event(), "")}, event())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":"evt_1"}'])
async def test_what_is_signed_and_no_event_is_refused(verifier, body):
    with pytest.raises(CallbackRejected):
        (await verifier.verify({SIGNATURE: signed(body)}, body))


@pytest.mark.parametrize(
    ("status", "extra", "told"),
    [
        ("requires_capture", {}, PaymentStatus.AUTHORIZED),
        ("succeeded", {}, PaymentStatus.CAPTURED),
        ("processing", {}, PaymentStatus.PENDING),
        ("canceled", {"latest_charge": "ch_1"}, PaymentStatus.VOIDED),
        ("canceled", {}, PaymentStatus.FAILED),
        ("requires_payment_method", {"last_payment_error": {"type": "card_error"}}, PaymentStatus.PENDING),
    ],
)
def test_an_event_of_a_payment_tells_how_it_stands(status, extra, told):
    operation = str(uuid4())
    parsed = parse(event(status=status, metadata={"operation": operation}, **extra))
    assert (parsed.observed.status, parsed.references, parsed.dedupe) == (told, (operation, "pi_1"), "evt_1")


def test_a_charge_without_the_customer_that_was_declined_failed():
    failure = {"type": "card_error", "code": "card_declined", "decline_code": "stolen_card"}
    parsed = parse(event(status="requires_payment_method", last_payment_error=failure, metadata={"action": "RECUR"}))
    assert (parsed.observed.status, parsed.observed.reason) == (PaymentStatus.FAILED, "fraud_suspected")
    assert parsed.observed.order_ref == "pi_1"


def test_a_saved_method_is_named_with_its_customer():
    parsed = parse(event(setup_future_usage="off_session", customer="cus_1", payment_method="pm_1"))
    assert parsed.observed.method_ref == "cus_1/pm_1"


def test_a_completed_page_names_the_order_and_says_nothing_of_money():
    session = {"id": "cs_1", "object": "checkout.session", "status": "complete", "client_reference_id": "ours"}
    parsed = parse(event("checkout.session.completed", **session))
    assert (parsed.references, parsed.observed.status, parsed.observed.order_ref) == (("ours", "cs_1"), None, "cs_1")


@pytest.mark.parametrize("type", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
def test_an_event_of_a_refund_tells_of_our_operation(type):
    ours = uuid4()
    refund = {"id": "re_1", "object": "refund", "status": "failed", "amount": 5, "metadata": {"operation": str(ours)}}
    (operation,) = parse(event(type, **refund)).observed.operations
    assert (operation.operation_id, operation.status, operation.amount) == (ours, OperationStatus.FAIL, 5)


def test_a_charge_given_back_makes_the_provider_be_asked():
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {"operation": "ours"}}
    parsed = parse(event("charge.refunded", **charge))
    assert (parsed.ask, parsed.references, parsed.observed.status) == (True, ("ours", "pi_1"), None)


async def test_an_event_that_nobody_subscribed_to_is_stored_and_then_set_aside(verifier):
    body = event("customer.created", id="cus_1", object="customer")
    assert (await verifier.verify({SIGNATURE: signed(body)}, body)).order_ref == "evt_1"
    with pytest.raises(InvalidMessage):
        parse(body)
    assert "customer.created" not in EVENTS


@pytest.mark.parametrize("body", [b"", b"{}", event(status=1), event("refund.created")])
def test_what_cannot_be_read_is_set_aside(body):
    with pytest.raises(InvalidMessage):
        parse(body)
