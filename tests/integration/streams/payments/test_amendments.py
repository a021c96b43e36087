"""What a person amends of a payment, on a real Postgres."""

from uuid import UUID

import pytest

from billing.messages import AmendPayment, RefundPayment
from billing.orders import Contact
from tests.support.factories import a_create, a_payment, opened
from tests.support.streams import World

ANNA = "anna@cinema.example"


@pytest.fixture
async def world(database) -> World:
    return World(database)


async def test_an_amendment_is_read_back_as_it_was_decided(world):
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    agent = await world.agent()
    await world.deliver(agent, create, opened(payment))
    contact = Contact("right@mail.example", "+79001234567")
    await world.deliver(
        agent,
        AmendPayment(payment.id, UUID(int=1), ANNA, "typed wrong", contact, {"seat": "12"}, refunds_blocked=True),
    )
    stored = await world.payment(payment.id)
    assert stored.order.contact == contact
    assert stored.order.metadata == {"seat": "12"}
    assert stored.refunds_blocked
    assert stored.order.cart == create.order.cart
    assert world.publisher.dead_letters.written == []


async def test_a_payment_can_be_amended_in_the_batch_that_creates_it(world):
    create = a_create()
    agent = await world.agent()
    await world.deliver(
        agent, create, AmendPayment(create.payment_id, UUID(int=1), ANNA, "asked", metadata={"seat": "12"})
    )
    assert (await world.payment(create.payment_id)).order.metadata == {"seat": "12"}
    assert world.publisher.dead_letters.written == []


async def test_a_command_for_another_version_is_refused_on_record_and_changes_nothing(world):
    create = a_create()
    agent = await world.agent()
    await world.deliver(agent, create)
    before = await world.payment(create.payment_id)
    await world.deliver(
        agent, RefundPayment(create.payment_id, UUID(int=1), "asked", operator=ANNA, if_version=before.version + 1)
    )
    assert await world.payment(create.payment_id) == before
