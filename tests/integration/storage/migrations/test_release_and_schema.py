"""A worker on a schema that is not the one it was written for: the next release's, or one it cannot use."""

from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from sqlalchemy import text

from billing.messages import RefundPayment
from billing.vocabulary import PaymentStatus
from runtime.postgres import SchemaMismatch
from sinks.positions import PostgresPositions
from storage.tables import CART_ITEMS, JOURNAL, LEDGER_ACCOUNTS, LEDGER_ENTRIES, OPERATIONS, ORDERS, PAYMENTS
from tests.support.factories import a_create, a_payment, opened, told
from tests.support.streams import World

EVENTS_0 = TopicPartition("billing.events", 0)
WRITTEN = (ORDERS, CART_ITEMS, PAYMENTS, OPERATIONS, JOURNAL, LEDGER_ACCOUNTS, LEDGER_ENTRIES)


@pytest.fixture
async def world(database) -> World:
    return World(database)


async def change(world, *statements):
    async with world.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def a_captured_payment(world, agent):
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment))
    await world.deliver(agent, told(payment, PaymentStatus.CAPTURED))
    return create


async def test_a_column_of_the_next_release_keeps_its_default(world):
    await change(
        world,
        *(f"ALTER TABLE {table.name} ADD COLUMN next_release text NOT NULL DEFAULT 'unset'" for table in WRITTEN),
    )
    agent = await world.agent()
    create = await a_captured_payment(world, agent)
    await world.deliver(agent, RefundPayment(create.payment_id, uuid4(), "changed their mind", amount=1_000))
    assert world.publisher.dead_letters.written == []
    for table in WRITTEN:
        assert await world.rows(f"SELECT DISTINCT next_release FROM {table.name}") == [("unset",)]
    assert (await world.payment(create.payment_id)).refund_pending == 1_000


async def test_a_value_that_the_next_release_wrote_stays_when_this_one_changes_the_row(world):
    await change(world, "ALTER TABLE payments ADD COLUMN next_release text NOT NULL DEFAULT 'unset'")
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create)
    await change(world, "UPDATE payments SET next_release = 'set'")
    await world.deliver(agent, opened(payment), told(payment, PaymentStatus.CAPTURED))
    assert await world.rows("SELECT next_release, status FROM payments") == [("set", "CAPTURED")]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments DROP COLUMN alternatives",
        "ALTER TABLE operations RENAME COLUMN chases TO follow_ups",
        "DROP TABLE journal",
        "DROP FUNCTION positions_moved",
        "ALTER TABLE orders ADD COLUMN required text NOT NULL",
        "ALTER TABLE payments ADD CONSTRAINT elsewhere FOREIGN KEY (client_id) REFERENCES api_clients",
    ],
)
async def test_a_worker_whose_release_does_not_fit_the_schema_stops_and_buries_nothing(world, statement):
    agent = await world.agent()
    await change(world, statement)
    with pytest.raises(SchemaMismatch, match="run `billing migrate`"):
        await agent.process(world.log.write(a_create(), a_create()))
    assert world.publisher.dead_letters.written == []
    assert world.publisher.published == []
    assert await world.position() == (0, 0)
    assert await world.rows("SELECT count(*) FROM payments") == [(0,)]


async def test_a_sink_whose_release_does_not_fit_the_schema_stops(world):
    positions = PostgresPositions(world.engine, "sink.rabbitmq")
    await positions.load([EVENTS_0])
    await change(world, "ALTER TABLE stream_positions DROP COLUMN published_offset")
    with pytest.raises(SchemaMismatch, match="roll this process back"):
        await positions.load([EVENTS_0])
    with pytest.raises(SchemaMismatch):
        await positions.advance({EVENTS_0: (0, 1)})
