"""T-Bank's own ways: two notifications at once, what is made idempotent by asking first, receipts. The adapter against
the sandbox over HTTP."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from billing.messages import FollowUpOperation, RefundPayment
from billing.orders import Contact
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, OperationStatus, Outcome, PaymentStatus
from tests.support.factories import a_create, an_order
from tests.support.named_providers import TBankWorld, a_charge, items
from tests.support.provider_life import Life
from tests.support.sandbox import a_request, running

#: The call was carried out, and its answer did not say so.
LOST = "error_500_after_commit"


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
    refund = await world.ask_for(
        request, Action.REFUND, 40_000, refunded_cart=items(40_000), contact=contact, refundable_before=100_000
    )
    assert refund.outcome is Outcome.SUCCEEDED
    wrong = await world.ask_for(request, Action.REFUND, 30_000, refunded_cart=items(40_000), contact=contact)
    assert (wrong.outcome, wrong.reason) == (Outcome.DECLINED, "invalid_request")


async def test_another_currency_is_declined_without_a_call(world: TBankWorld):
    request = a_request(order=an_order(1_500, currency="USD"), provider="tbank", currency="USD")
    result = await world.adapter.perform(request)
    assert (result.outcome, result.reason) == (Outcome.DECLINED, "unsupported_currency")
    assert (await world.ask("GET", "/_sandbox/book"))["orders"] == []


async def test_a_notification_is_acknowledged_by_the_text_ok(world: TBankWorld):
    request = await world.settled(59_900)
    verified = await world.verifier.verify({}, world.tokens[0])
    assert (verified.response, verified.response_type) == (b"OK", "text/plain")
    assert json.loads(world.tokens[0])["OrderId"] == verified.order_ref == str(request.operation_id)


async def paid(world: TBankWorld) -> Life:
    """A payment of 1,000 roubles."""
    life = Life(world)
    await life.tell(a_create(order=an_order(60_000, 40_000), provider="tbank"))
    await life.pays()
    await world.until(lambda: "CONFIRMED" in world.notified())
    assert (await life.hear()).captured == 100_000
    return life


async def refunded(life: Life, amount: int, *faults: str) -> Operation:
    """A refund of a part, and how it stands after its call."""
    for fault in faults:
        await life.world.tell("faults", fault=fault, provider="tbank", operation="refund", count=1)
    refund = RefundPayment(life.payment.id, uuid4(), "asked", amount)
    return operation((await life.tell(refund)), refund.operation_id)


async def chased(life: Life, id: UUID, times: int = 4) -> Operation:
    """The operation, asked about so often."""
    for _ in range(times):
        now = operation(life.payment, id)
        if not now.is_open:
            break
        await asyncio.sleep(0.05)
        await life.tell(FollowUpOperation(life.payment.id, id, now.follow_ups))
    return operation(life.payment, id)


def operation(payment: Payment | None, id: UUID) -> Operation:
    found = payment and payment.operation(id)
    assert found
    return found


async def test_the_status_of_a_payment_does_not_vouch_for_a_refund_that_failed(world: TBankWorld):
    """A first part went back, so that the payment is PARTIAL_REFUNDED; the second part's refund fails later, and the
    answer that it is under way is lost."""
    life = await paid(world)
    assert (await refunded(life, 10_000)).status is OperationStatus.SUCCESS
    second = await refunded(life, 5_000, "refund_fails_later", LOST)
    second = await chased(life, second.id)
    assert second.status is OperationStatus.UNKNOWN
    assert life.payment.refunded == (await life.book())["refunded"] == 10_000


async def test_a_slow_refund_of_a_part_is_found_by_what_is_left(world: TBankWorld):
    life = await paid(world)
    refund = await refunded(life, 10_000, "refund_later")
    assert (refund.status, refund.outcome) == (OperationStatus.UNKNOWN, Outcome.UNKNOWN)
    assert (await chased(life, refund.id)).status is OperationStatus.SUCCESS
    assert life.payment.refunded == (await life.book())["refunded"] == 10_000


async def test_of_several_slow_refunds_each_ends_as_it_did(world: TBankWorld):
    life = await paid(world)
    slow = await refunded(life, 10_000, "refund_later")
    fails = await refunded(life, 20_000, "refund_fails_later")
    quick = await refunded(life, 30_000)
    ended = [await chased(life, o.id) for o in (fails, slow, quick, fails)]
    wanted = [OperationStatus.UNKNOWN, OperationStatus.SUCCESS, OperationStatus.SUCCESS, OperationStatus.UNKNOWN]
    assert [o.status for o in ended] == wanted
    assert life.payment.refunded == (await life.book())["refunded"] == 40_000


async def test_two_lost_refunds_of_the_same_amount_are_both_made_once(world: TBankWorld):
    life = await paid(world)
    first = await refunded(life, 10_000, LOST)
    second = await refunded(life, 10_000, "error_500_before_commit")
    for id in (first.id, second.id, first.id):
        await chased(life, id)
    assert [operation(life.payment, o.id).status for o in (first, second)] == [OperationStatus.SUCCESS] * 2
    book = await life.book()
    assert life.payment.refunded == book["refunded"] == 20_000
