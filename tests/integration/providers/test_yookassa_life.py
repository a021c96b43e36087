"""A payment at a provider that names it and does not sign."""

from uuid import UUID

import msgspec
import pytest

from billing.messages import (
    CapturePayment,
    CreatePayment,
    FollowUpOperation,
    Observation,
    ProviderCallback,
    RefundPayment,
)
from billing.vocabulary import Action, CaptureMode, OperationType, PaymentStatus
from tests.support.factories import a_create, an_order
from tests.support.provider_life import Life
from tests.support.yookassa import a_yookassa_world


@pytest.fixture
async def life(tmp_path):
    async with a_yookassa_world(tmp_path) as world:
        yield Life(world)


def create(*prices: int, **fields: object) -> CreatePayment:
    return a_create(order=an_order(*(prices or (59_900,))), provider="yookassa", **fields)


def questions(life: Life) -> int:
    return sum(action is Action.INQUIRE for action, _ in life.outcomes)


async def test_a_payment_is_captured_on_the_providers_word_and_refunded_under_the_providers_name(life: Life):
    payment = await life.tell(create())
    assert payment.payment_url == f"{life.world.url}/pay/{payment.order_ref}"
    await life.pays()
    payment = await life.called_back()
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, 59_900)
    payment = await life.tell(RefundPayment(payment.id, payment.id, "asked"))
    assert payment.status is PaymentStatus.REFUNDED
    assert (await life.world.book(payment.order_ref))["refunded"] == 59_900


async def test_a_hold_is_captured_in_part(life: Life):
    order = an_order(60_000, 40_000)
    await life.tell(a_create(order=order, provider="yookassa", capture_mode=CaptureMode.TWO_STAGE))
    await life.pays()
    payment = await life.called_back()
    assert payment.status is PaymentStatus.AUTHORIZED
    cart = msgspec.structs.replace(order.cart, items=order.cart.items[:1])
    payment = await life.tell(CapturePayment(payment.id, payment.id, 60_000, cart))
    assert (payment.status, payment.captured) == (PaymentStatus.CAPTURED, 60_000)
    assert (await life.world.book(payment.order_ref))["captured"] == 60_000


async def test_a_notification_of_what_yookassa_has_answered_already_is_not_asked_about(life: Life):
    order = an_order(60_000, 40_000)
    await life.tell(a_create(order=order, provider="yookassa", capture_mode=CaptureMode.TWO_STAGE))
    await life.pays()
    payment = await life.called_back()
    assert questions(life) == 1, "the customer has paid: that is news"
    payment = await life.tell(CapturePayment(payment.id, payment.id, 100_000))
    assert (await life.called_back(), questions(life)) == (payment, 1)
    payment = await life.tell(RefundPayment(payment.id, UUID(int=1), "asked", 10_000))
    assert (await life.called_back(), questions(life)) == (payment, 1)


async def test_a_payment_whose_answer_was_lost_is_named_by_the_inquiry_that_its_notification_leads_to(life: Life):
    life.lose_answers = 1
    payment = await life.tell(create())
    operation = payment.operations[0]
    assert payment.order_ref == str(operation.id)
    await life.pays()
    payment = await life.called_back()
    assert payment.status is PaymentStatus.CAPTURED
    book = await life.world.book(payment.order_ref)
    assert (book["provider"], book["captured"]) == ("yookassa", 59_900)
    assert payment.operations[0].provider_ref == payment.order_ref
    payment = await life.tell(RefundPayment(payment.id, payment.id, "asked", 10_000))
    assert payment.status is PaymentStatus.PARTIALLY_REFUNDED


async def test_a_forged_notification_moves_nothing(life: Life):
    payment = await life.tell(create())
    forged = ProviderCallback(
        payment.id, "yookassa", "payment.succeeded/forged", Observation(PaymentStatus.CAPTURED), ask=True
    )
    payment = await life.tell(forged)
    assert (payment.status, payment.captured) == (PaymentStatus.PENDING, 0)


async def test_a_notification_whose_question_goes_unanswered_is_made_good_by_the_chase(life: Life):
    payment = await life.tell(create())
    await life.pays()
    await life.world.tell("faults", fault="rate_limited", operation="inquire", count=1)
    payment = await life.called_back()
    assert payment.status is PaymentStatus.PENDING
    operation = payment.operations[0]
    assert operation.next_follow_up_at is not None
    assert (operation.next_follow_up_at - payment.updated_at).total_seconds() <= 5
    payment = await life.tell(FollowUpOperation(payment.id, operation.id, operation.follow_ups))
    assert payment.status is PaymentStatus.CAPTURED


async def test_a_saved_method_is_charged_by_the_name_that_the_first_payment_learnt(life: Life):
    await life.tell(create(29_900, save_method=True))
    await life.pays()
    first = await life.called_back()
    assert first.method_ref is not None
    life.payment = None
    payment = await life.tell(create(29_900, saved_method=first.method_ref))
    assert (payment.status, payment.operations[0].type) == (PaymentStatus.CAPTURED, OperationType.RECURRING)
    assert (await life.world.book(payment.order_ref))["captured"] == 29_900


async def test_a_charge_of_a_saved_method_whose_answer_was_lost_happens_once(life: Life):
    await life.tell(create(29_900, save_method=True))
    await life.pays()
    first = await life.called_back()
    life.payment = None
    await life.world.tell("faults", fault="error_500_after_commit", operation="recur", count=1)
    payment = await life.tell(create(29_900, saved_method=first.method_ref))
    operation = payment.operations[0]
    assert payment.status is PaymentStatus.PENDING
    payment = await life.tell(FollowUpOperation(payment.id, operation.id, operation.follow_ups))
    assert payment.status is PaymentStatus.CAPTURED
    orders = (await life.world.ask("GET", "/_sandbox/book"))["orders"]
    assert sorted(order["captured"] for order in orders) == [29_900, 29_900]
