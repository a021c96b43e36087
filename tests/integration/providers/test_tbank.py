"""T-Bank's own ways: two notifications at once, what is made idempotent by asking first, receipts. The adapter against
the sandbox over HTTP."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from billing.order import Contact
from billing.vocabulary import Action, Outcome, PaymentStatus
from tests.factories import an_order
from tests.named_world import TBankWorld, a_charge, items
from tests.sandbox_world import a_request, running


@pytest.fixture
async def world(tmp_path):
    async with running(TBankWorld(tmp_path)) as world:
        yield world


async def test_a_payment_in_one_stage_is_told_of_twice_at_once(world: TBankWorld):
    request = await world.open(59_900)
    await world.customer(request, "pay")
    await world.until(lambda: len(world.notified()) == 2)
    assert set(world.notified()) == {"AUTHORIZED", "CONFIRMED"}


async def test_a_declined_card_fails_the_payment_for_a_reason(world: TBankWorld):
    request = await world.open(59_900)
    await world.customer(request, "decline", reason="1054")
    await world.until(lambda: world.statuses(request) == ["FAILED"])
    assert world.said(request)[0].observed.reason == "card_expired"


async def test_a_payment_whose_page_was_lost_is_asked_for_again(world: TBankWorld):
    request = a_request(order=an_order(59_900), provider="tbank", opened_at=datetime.now(UTC))
    await world.tell("faults", fault="error_500_after_commit", operation="create", count=1)
    assert (await world.adapter.perform(request)).outcome is Outcome.UNKNOWN
    inquired = await world.ask_for(request, Action.INQUIRE)
    assert (inquired.outcome, inquired.reason) == (Outcome.SUCCEEDED, "order_not_found")
    opened = await world.adapter.perform(request)
    assert opened.payment_url is not None
    await world.customer(msgspec.structs.replace(request, order_ref=opened.provider_ref or ""), "pay")
    assert (await world.totals())["captured"] == 59_900


async def test_a_paid_payment_whose_name_was_lost_is_found_by_our_operation(world: TBankWorld):
    request = await world.settled(59_900)
    lost = msgspec.structs.replace(request, order_ref=str(request.operation_id))
    observed = (await world.ask_for(lost, Action.INQUIRE)).observed
    assert observed is not None
    assert (observed.status, observed.order_ref) == (PaymentStatus.CAPTURED, request.order_ref)


async def test_a_confirmation_that_was_made_before_settles_nothing_by_itself(world: TBankWorld):
    request = await world.hold(60_000)
    capture = world.about(request, Action.CAPTURE)
    assert (await world.adapter.perform(capture)).outcome is Outcome.SUCCEEDED
    again = await world.adapter.perform(capture)
    assert (again.outcome, again.reason) == (Outcome.UNKNOWN, "already_known")
    assert (await world.book(request.order_ref))["captured"] == 60_000


async def test_a_charge_goes_on_with_the_payment_that_a_former_attempt_made(world: TBankWorld):
    request = await world.settled(59_900, save_method=True)
    saved = next(said.observed.method_ref for said in world.said(request) if said.observed.method_ref)
    charge = a_charge("tbank", saved)
    await world.tell("faults", fault="error_500_before_commit", operation="recur", count=1)
    assert (await world.adapter.perform(charge)).outcome is Outcome.UNKNOWN
    assert (await world.adapter.perform(charge)).outcome is Outcome.SUCCEEDED
    assert len((await world.ask("GET", "/_sandbox/book"))["orders"]) == 2


async def test_receipts_follow_the_money(world: TBankWorld):
    contact = Contact(email="customer@example.com")
    order = msgspec.structs.replace(an_order(60_000, 40_000), contact=contact)
    request = a_request(order=order, provider="tbank", opened_at=datetime.now(UTC))
    opened = await world.adapter.perform(request)
    request = msgspec.structs.replace(request, order_ref=opened.provider_ref or "")
    await world.customer(request, "pay")
    refund = await world.ask_for(request, Action.REFUND, 40_000, returned=items(40_000), contact=contact)
    assert refund.outcome is Outcome.SUCCEEDED
    wrong = await world.ask_for(request, Action.REFUND, 30_000, returned=items(40_000), contact=contact)
    assert (wrong.outcome, wrong.reason) == (Outcome.DECLINED, "invalid_request")


async def test_another_currency_is_declined_without_a_call(world: TBankWorld):
    request = a_request(order=an_order(1_500, currency="USD"), provider="tbank", currency="USD")
    result = await world.adapter.perform(request)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "unsupported_currency")
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []


async def test_a_notification_is_acknowledged_by_the_text_ok(world: TBankWorld):
    request = await world.settled(59_900)
    verified = await world.adapter.verify_callback({}, world.tokens[0])
    assert (verified.response, verified.response_type) == (b"OK", "text/plain")
    assert json.loads(world.tokens[0])["OrderId"] == verified.order_ref == str(request.operation_id)
