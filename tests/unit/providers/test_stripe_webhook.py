"""Stripe's signatures and events: what is believed, and what it says."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from billing.errors import InvalidMessage
from billing.messages import Observation, ProviderReason
from billing.vocabulary import OperationStatus, PaymentStatus
from providers.base import CallbackRejected
from providers.http import CallLimits
from providers.stripe import Stripe
from providers.stripe.settings import StripeSettings
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


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":"evt_1"}', b"[" * 3000, b'{"id":' * 3000 + b"1" + b"}" * 3000])
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


def test_a_refund_that_failed_later_keeps_the_providers_reason():
    refund = {
        "id": "re_1",
        "object": "refund",
        "status": "failed",
        "amount": 5,
        "failure_reason": "lost_or_stolen_card",
    }
    (operation,) = parse(event("refund.failed", **refund, metadata={"operation": str(uuid4())})).observed.operations
    assert operation.reason == "declined"
    assert operation.provider_reason == ProviderReason("lost_or_stolen_card")


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


@pytest.mark.parametrize("type", ["refund.updated", "charge.refund.updated", "refund.created", "refund.failed"])
@pytest.mark.parametrize("null", ["metadata", "status", "failure_reason"])
async def test_documented_nulls_of_a_refund_are_accepted(verifier, type, null):
    refund = {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 100, "payment_intent": "pi_1"}
    body = event(type, **(refund | {"metadata": {"operation": str(uuid4())}, null: None}))
    assert await verifier.verify({SIGNATURE: signed(body)}, body)
    parsed = parse(body)
    assert "pi_1" in parsed.references
    if null == "status":
        assert parsed.observed.operations[0].status is OperationStatus.PENDING


@pytest.mark.parametrize(
    ("type", "shown"),
    [
        ("refund.updated", {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 1, "payment_intent": {"id": "pi_1"}}),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": {"id": "pi_1", "object": "payment_intent"}}),
        ("payment_intent.succeeded", {"status": "succeeded", "latest_charge": {"id": "ch_1"}, "customer": {"id": "cus_1"},
            "payment_method": {"id": "pm_1"}, "metadata": None}),
    ],
)  # fmt: skip
def test_expanded_objects_are_accepted(type, shown):
    assert "pi_1" in parse(event(type, **shown)).references


async def test_a_thin_event_is_stored_and_set_aside_by_name(verifier):
    thin = {"id": "evt_test_1", "object": "v2.core.event", "type": "v2.money_management.transaction.created"}
    body = json.dumps(thin | {"created": "2026-11-23T12:00:00.000Z", "livemode": False}).encode()
    assert (await verifier.verify({SIGNATURE: signed(body)}, body)).order_ref == "evt_test_1"
    with pytest.raises(InvalidMessage, match=r"did not subscribe to: 'v2\.money_management"):
        parse(body)


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_the_end_of_a_slow_method_makes_the_payment_ask(outcome):
    session = {"id": "cs_1", "object": "checkout.session", "status": "complete", "client_reference_id": "ours"}
    parsed = parse(event(f"checkout.session.async_payment_{outcome}", **session))
    at = datetime.fromtimestamp(NOW, UTC)
    assert (parsed.references, parsed.ask, parsed.observed) == (("ours", "cs_1"), True, Observation(at=at))


@pytest.mark.parametrize("type", EVENTS)
def test_an_observation_has_the_time_of_its_event(type):
    objects = {"checkout": "checkout.session", "payment_intent": "payment_intent", "refund": "refund"}
    kind = "refund" if type.startswith("charge.refund.") else objects.get(type.split(".")[0], "charge")
    status = "complete" if kind == "checkout.session" else "succeeded"
    shown = {"id": "x_1", "object": kind, "status": status, "amount": 1}
    assert parse(event(type, **shown)).observed.at == datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize("created", [-1, 10**18, "2026-11-23T12:00:00Z"])
def test_an_event_of_an_impossible_time_is_set_aside_and_the_field_is_named(created):
    with pytest.raises(InvalidMessage, match="created"):
        parse(json.dumps(json.loads(event()) | {"created": created}).encode())


@pytest.mark.parametrize(
    ("key", "livemode", "is_ours"),
    [
        ("sk_test_1", False, True),
        ("sk_test_1", True, False),
        ("rk_live_1", True, True),
        ("rk_live_1", False, False),
        ("sandbox", True, True),
    ],
)
def test_an_event_of_the_other_mode_is_set_aside(key, livemode, is_ours):
    adapter = Stripe(StripeSettings(secret_key=SecretStr(key)), CallLimits(5.0, 1))
    body = json.dumps(json.loads(event()) | {"livemode": livemode}).encode()
    if is_ours:
        assert adapter.parse_callback(body).references
    else:
        with pytest.raises(InvalidMessage, match="mode"):
            adapter.parse_callback(body)


def test_an_event_of_a_connected_account_is_set_aside():
    with pytest.raises(InvalidMessage, match="acct_1"):
        parse(json.dumps(json.loads(event()) | {"account": "acct_1"}).encode())


@pytest.mark.parametrize("title", ["Кино 🎬", "two\r\nlines"])
async def test_the_raw_bytes_are_what_is_signed(verifier, title):
    body = event(description=title)
    assert await verifier.verify({SIGNATURE: signed(body)}, body)
    again = json.dumps(json.loads(body), ensure_ascii=False, indent=1).encode()
    assert again != body
    with pytest.raises(CallbackRejected):
        await verifier.verify({SIGNATURE: signed(body)}, again)
