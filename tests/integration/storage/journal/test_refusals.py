"""Commands that nobody waited for and that were refused in their turn: what the journal says of them."""

from uuid import UUID, uuid4

import msgspec

from billing.messages import RefundPayment
from billing.vocabulary import PaymentStatus
from storage.journal.story import timeline_entries
from storage.journal.timeline import find_refusal, journal_of
from tests.support.factories import a_create, a_payment, an_order, opened, told
from tests.support.streams import World


async def refusal(world: World, payment_id: UUID, operation_id: UUID | None = None, client: str = "shop") -> str | None:
    async with world.engine.connect() as connection:
        found = await find_refusal(connection, client, payment_id, operation_id)
    return None if found is None else found.code


async def test_of_two_refunds_at_once_the_one_too_much_is_found_with_its_reason(database) -> None:
    world = World(database)
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    refunds = [RefundPayment(payment.id, uuid4(), "asked", 40_000, fingerprint=str(n)) for n in range(2)]
    await world.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED), *refunds)

    assert await refusal(world, payment.id, refunds[0].operation_id) is None
    assert await refusal(world, payment.id, refunds[1].operation_id) == "amount_exceeds_refundable"
    assert await refusal(world, payment.id, uuid4()) is None, "nobody asked for it"
    assert await refusal(world, payment.id) is None, "the payment was opened"
    async with database.connect() as connection:
        shown = timeline_entries(await journal_of(connection, payment.id), [])
    assert [entry.summary.split(":")[0] for entry in shown if entry.kind == "refusal"] == ["amount_exceeds_refundable"]


async def test_a_payment_that_was_refused_is_found_by_its_client_only(database) -> None:
    world = World(database)
    agent = await world.agent()
    create = a_create(order=msgspec.structs.replace(an_order(), metadata={"access_until": "some day"}))
    await world.deliver(agent, create)

    assert await refusal(world, create.payment_id) == "invalid_order"
    assert await refusal(world, create.payment_id, client="another") is None
    assert await refusal(world, uuid4()) is None


async def test_another_body_with_a_known_key_is_refused_and_told_in_the_timeline(database) -> None:
    world = World(database)
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment), msgspec.structs.replace(create, fingerprint="0" * 64))

    async with database.connect() as connection:
        shown = timeline_entries(await journal_of(connection, payment.id), [])
    assert [entry.summary.split(":")[0] for entry in shown if entry.kind == "refusal"] == ["idempotency_key_reused"]
