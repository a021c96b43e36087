"""Stripe's own ways: Checkout, idempotency, currencies, lists and rules. The adapter against the sandbox over HTTP."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from billing.messages import Observation, ProviderRequest
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import an_order
from tests.support.named_providers import StripeWorld
from tests.support.sandbox import API_KEY, a_request, running
from tests.support.statements import day_read

CHARGE = {"amount": "59900", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}


@pytest.fixture
async def world(tmp_path):
    async with running(StripeWorld(tmp_path)) as world:
        yield world


async def inquired(world, request):
    observed = (await world.ask_for(request, Action.INQUIRE)).observed
    assert observed is not None
    return observed


async def test_a_declined_card_leaves_the_page_open_to_another_one(world: StripeWorld):
    request = await world.open(59_900)
    await world.customer(request, "decline", reason="expired_card")
    assert (await inquired(world, request)).status is PaymentStatus.PENDING
    assert (await world.customer(request, "pay"))["status"] == "CAPTURED"
    await world.until(lambda: "payment_intent.succeeded" in world.events())
    assert "payment_intent.payment_failed" in world.events()


async def test_a_page_that_expires_after_a_decline_tells_why_it_was_declined(world: StripeWorld):
    request = await world.open(59_900)
    await world.customer(request, "decline", reason="expired_card")
    await world.ask("POST", f"/_sandbox/expire/{request.order_ref}")
    observed = await inquired(world, request)
    assert (observed.status, observed.reason) == (PaymentStatus.FAILED, "card_expired")


async def test_the_same_create_twice_opens_one_page(world: StripeWorld):
    request = a_request(order=an_order(59_900), provider="stripe", opened_at=datetime.now(UTC))
    first, second = [await world.adapter.perform(request) for _ in range(2)]
    assert (first.provider_ref, first.payment_url) == (second.provider_ref, second.payment_url)
    (order,) = (await world.ask("GET", "/_sandbox/book"))["orders"]
    assert (order["requests"]["create"], order["keys"]) == (2, [str(request.operation_id)])


async def test_a_page_whose_answer_was_lost_is_found_in_the_list_with_its_url(world: StripeWorld):
    request = a_request(order=an_order(59_900), provider="stripe", opened_at=datetime.now(UTC))
    await world.tell("faults", fault="error_500_after_commit", operation="create", count=1)
    for _ in range(2):  # the error is the answer to the key from now on
        result = await world.adapter.perform(request)
        assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "http_500")
    result = await world.ask_for(request, Action.INQUIRE)
    assert result.observed is not None
    (order,) = (await world.ask("GET", "/_sandbox/book"))["orders"]
    assert (result.observed.status, result.observed.order_ref) == (PaymentStatus.PENDING, order["order_id"])
    assert result.payment_url == f"{world.url}/pay/{order['order_id']}"


async def test_a_payment_is_found_beyond_the_first_page_of_the_list(world: StripeWorld):
    request = a_request(order=an_order(59_900), provider="stripe", opened_at=datetime.now(UTC))
    await world.adapter.perform(request)
    await asyncio.gather(*(world.open(59_900) for _ in range(101)))
    result = await world.ask_for(request, Action.INQUIRE)
    assert result.observed is not None
    assert result.observed.status is PaymentStatus.PENDING


@pytest.mark.parametrize(("currency", "price"), [("JPY", 1_500), ("USD", 1_500), ("KWD", 1_500)])
async def test_amounts_are_in_the_minor_units_of_their_currency(world: StripeWorld, currency, price):
    request = a_request(
        order=an_order(price, currency=currency), provider="stripe", currency=currency, opened_at=datetime.now(UTC)
    )
    opened = await world.adapter.perform(request)
    named = msgspec.structs.replace(request, order_ref=opened.provider_ref or "")
    await world.customer(named, "pay")
    assert (await world.ask_for(named, Action.REFUND, 500)).outcome is Outcome.SUCCEEDED
    book = await world.book(named.order_ref)
    assert (book["currency"], book["captured"], book["refunded"]) == (currency, 1_500, 500)


async def test_a_three_decimal_amount_that_stripe_does_not_take_is_declined_without_a_call(world: StripeWorld):
    request = a_request(order=an_order(1_505, currency="KWD"), provider="stripe", currency="KWD")
    result = await world.adapter.perform(request)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "unsupported_amount")
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []


async def test_a_failed_refund_fails(world: StripeWorld):
    request = await world.settled(60_000)
    await world.tell("faults", fault="refund_fails_later", operation="refund", count=1)
    refund = world.about(request, Action.REFUND)
    assert (await world.adapter.perform(refund)).outcome is Outcome.PENDING
    failed = (refund.operation_id, OperationStatus.FAIL)
    await world.until(
        lambda: failed in {(o.operation_id, o.status) for said in world.callbacks for o in said.observed.operations}
    )
    observed = await inquired(world, request)
    assert observed.status is PaymentStatus.CAPTURED
    assert [(o.operation_id, o.status) for o in observed.operations] == [failed]


async def test_a_refund_of_ours_or_of_others_makes_us_ask_the_provider(world: StripeWorld):
    request = await world.settled(60_000)
    intent = request.order_ref.replace("cs_test_", "pi_")
    status, _, _ = await world.api("POST", "/refunds", "by-hand", payment_intent=intent)
    assert status == 200
    await world.until(lambda: any(said.ask for said in world.said(request)))
    assert (await inquired(world, request)).status is PaymentStatus.REFUNDED


async def test_a_capture_is_told_under_our_operation(world: StripeWorld):
    request = await world.hold(60_000)
    capture = world.about(request, Action.CAPTURE, 50_000)
    await world.adapter.perform(capture)
    await world.until(lambda: "CAPTURED" in world.statuses(request))
    (operation,) = world.said(request)[-1].observed.operations
    assert (operation.operation_id, operation.amount) == (capture.operation_id, 50_000)


async def test_a_page_that_nobody_paid_cannot_be_captured(world: StripeWorld):
    request = await world.open(59_900, capture_mode=CaptureMode.TWO_STAGE)
    result = await world.ask_for(request, Action.CAPTURE)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "invalid_state")


async def test_a_key_is_for_one_request_only(world: StripeWorld):
    status, first, _ = await world.api("POST", "/payment_intents", "key-1", **CHARGE)
    assert (status, first["status"]) == (200, "succeeded")
    status, again, headers = await world.api("POST", "/payment_intents", "key-1", **CHARGE)
    assert (status, again, headers["Idempotent-Replayed"]) == (200, first, "true")
    status, refused, _ = await world.api("POST", "/payment_intents", "key-1", **{**CHARGE, "amount": "100"})
    assert (status, refused["error"]["type"]) == (400, "idempotency_error")
    assert (await world.totals())["captured"] == 59_900


async def test_a_refused_parameter_is_not_kept_but_a_declined_card_is(world: StripeWorld):
    status, _, _ = await world.api("POST", "/payment_intents", "key-1", **{**CHARGE, "amount": "1"})
    assert status == 400
    status, _, _ = await world.api("POST", "/payment_intents", "key-1", **CHARGE)
    assert status == 200
    declined = {**CHARGE, "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
    for replayed in (None, "true"):
        status, body, headers = await world.api("POST", "/payment_intents", "key-2", **declined)
        assert (status, body["error"]["type"], body["error"]["decline_code"]) == (
            402,
            "card_error",
            "insufficient_funds",
        )
        assert headers.get("Idempotent-Replayed") == replayed


async def test_a_key_whose_first_call_is_under_way_is_turned_away(world: StripeWorld):
    await world.tell("faults", fault="slow", operation="create", count=1, delay_ms=1_000)
    answers = await asyncio.gather(*(world.api("POST", "/payment_intents", "key-1", **CHARGE) for _ in range(2)))
    (done, _, _), (turned_away, body, _) = sorted(answers, key=lambda answer: answer[0])
    assert (done, turned_away, body["error"]["code"]) == (200, 409, "idempotency_key_in_use")
    assert (await world.totals())["captured"] == 59_900


async def test_the_balance_tells_every_movement_with_its_fee(world: StripeWorld):
    request = await world.settled(100_000)
    await world.ask_for(request, Action.REFUND, 40_000)
    _, listed, _ = await world.api("GET", "/balance_transactions", limit="1")
    assert listed["has_more"] is True
    _, rest, _ = await world.api("GET", "/balance_transactions", starting_after=listed["data"][0]["id"])
    rows = {row["type"]: row for row in (*listed["data"], *rest["data"])}
    assert (rows["charge"]["amount"], rows["charge"]["fee"], rows["charge"]["net"]) == (100_000, 2_930, 97_070)
    assert (rows["refund"]["amount"], rows["refund"]["fee"]) == (-40_000, 0)
    assert rest["has_more"] is False


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "many"}, {"starting_after": "nobody"}, {"created[gte]": "soon"}]
)
async def test_a_list_that_cannot_be_is_refused(world: StripeWorld, query):
    status, body, _ = await world.api("GET", "/refunds", **query)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def captured_in_part(world: StripeWorld, version: str) -> tuple[ProviderRequest, dict[str, Any]]:
    """A hold of 100.00 of which 40.00 were captured in the dashboard, by a client of that version of the API."""
    request = await world.hold(10_000)
    intent = request.order_ref.replace("cs_test_", "pi_")
    headers = {"Authorization": f"Bearer {API_KEY}", "Stripe-Version": version}
    path, body = f"/stripe/v1/payment_intents/{intent}/capture", {"amount_to_capture": "4000"}
    return request, await world.ask("POST", path, data=body, headers=headers)


async def test_a_partial_capture_leaves_no_refund_and_one_movement(world: StripeWorld):
    request = await world.hold(10_000)
    assert (await world.ask_for(request, Action.CAPTURE, 4_000)).outcome is Outcome.SUCCEEDED
    observed = await inquired(world, request)
    assert observed.status is PaymentStatus.CAPTURED
    assert not [o for o in observed.operations if o.type is OperationType.REFUND]
    assert (await world.api("GET", "/refunds"))[1]["data"] == []
    (movement,) = (await world.api("GET", "/balance_transactions"))[1]["data"]
    assert (movement["type"], movement["amount"]) == ("charge", 4_000)


async def test_what_a_partial_capture_released_under_an_old_version_is_no_refund(world: StripeWorld):
    request, intent = await captured_in_part(world, "2024-06-20")
    assert intent["amount_received"] == 4_000
    (made,) = (await world.api("GET", "/refunds"))[1]["data"]
    assert (made["amount"], made["status"], made["metadata"]) == (6_000, "succeeded", {})
    observed = await inquired(world, request)
    assert observed.status is PaymentStatus.CAPTURED
    assert not [o for o in observed.operations if o.type is OperationType.REFUND]
    lines = await day_read(world.adapter, datetime.now(UTC).date())
    assert sorted((line.kind, line.amount) for line in lines) == [("charge", -6_000), ("charge", 10_000)]


async def test_an_endpoint_of_an_old_version_is_told_of_a_refund_and_the_payment_asks(world: StripeWorld):
    await captured_in_part(world, "2024-06-20")
    await world.until(lambda: {"charge.refunded", "refund.updated"} <= set(world.events()))
    told = dict(zip(world.events(), world.callbacks, strict=True))
    for event in ("charge.refunded", "refund.updated"):
        assert (told[event].ask, told[event].observed) == (True, Observation(at=told[event].observed.at))


async def test_a_partly_captured_payment_can_be_refunded_to_the_end(world: StripeWorld):
    request = await world.hold(10_000)
    await world.ask_for(request, Action.CAPTURE, 4_000)
    assert (await world.ask_for(request, Action.REFUND, 4_000)).outcome is Outcome.SUCCEEDED
    assert (await inquired(world, request)).status is PaymentStatus.REFUNDED
