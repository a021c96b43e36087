"""``billing rebuild --check``."""

import json

import pytest
from sqlalchemy import text

from billing.messages import RefundPayment
from billing.payments.decide import RULES
from billing.vocabulary import PaymentStatus
from storage.journal.replay import REPLAYED_PAYMENTS, Difference, check_stored
from storage.journal.timeline import journal_of, published_state
from tests.support.factories import a_create, a_payment, opened, told
from tests.support.streams import World


@pytest.fixture
async def world(database) -> World:
    """Three payments: opened, paid, and paid with a partial refund in progress."""
    world = World(database)
    agent = await world.agent()
    for n in range(3):
        create = a_create()
        payment = a_payment(payment_id=create.payment_id, order=create.order)
        await world.deliver(agent, create, opened(payment))
        if n:
            await world.deliver(agent, told(payment, PaymentStatus.CAPTURED))
        if n > 1:
            refund = RefundPayment(payment.id, payment.operations[0].id.__class__(int=n), "changed his mind", 100)
            await world.deliver(agent, refund)
    return world


async def _found(world: World, **options) -> dict[str, list[Difference]]:
    return {
        str(id): found
        async for batch in check_stored(world.engine, REPLAYED_PAYMENTS, **options)
        for id, found in batch
        if found
    }


async def _tamper(world: World, statement: str, **values) -> None:
    async with world.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(statement), values)


def test_every_payment_of_the_stack_equals_its_journal(paid):
    done = paid.billing("rebuild", "--check", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["payments"]) == (0, []), done.stdout + done.stderr
    assert report["checked"] >= 10
    limited = json.loads(paid.billing("rebuild", "--check", "--json", "--limit", "3").stdout)
    assert 3 <= limited["checked"] <= 6, "three payments, and at most three subscriptions"


def test_without_check_it_is_refused(running):
    assert running.billing("rebuild").returncode == 2


@pytest.mark.parametrize("batch", [1, 2, 200])
async def test_payments_that_agree_have_no_differences_whatever_the_batch(world, batch):
    batches = [batch async for batch in check_stored(world.engine, REPLAYED_PAYMENTS, batch=batch)]
    assert sum(map(len, batches)) == 3
    assert await _found(world, batch=batch) == {}


async def test_a_tampered_amount_is_found_by_its_field(world):
    ((id, captured),) = await world.rows("SELECT id, captured FROM payments WHERE captured > 0 ORDER BY id LIMIT 1")
    await _tamper(world, "UPDATE payments SET captured = captured - 1 WHERE id = :id", id=id)
    assert await _found(world) == {str(id): [Difference("captured", captured - 1, captured)]}


async def test_a_tampered_operation_is_found_by_its_id(world):
    ((operation, payment),) = await world.rows("SELECT id, payment_id FROM operations WHERE type = 'REFUND'")
    await _tamper(world, "UPDATE operations SET reason = 'another' WHERE id = :id", id=operation)
    (found,) = (await _found(world))[str(payment)]
    assert (found.field, found.stored) == (f"operations[{operation}].reason", "another")


async def test_a_lost_payment_and_a_lost_journal_are_found(world):
    (lost,), (bare,), _ = await world.rows("SELECT id FROM payments ORDER BY id")
    await _tamper(world, "DELETE FROM payments WHERE id = :id", id=lost)
    await _tamper(world, "DELETE FROM journal WHERE payment_id = :id", id=bare)
    assert await _found(world) == {
        str(lost): [Difference("payment", None, "present")],
        str(bare): [Difference("payment", "present", None)],
    }


async def test_what_rules_of_another_release_decided_is_not_compared_and_is_counted(world):
    ((id,),) = await world.rows("SELECT id FROM payments WHERE captured > 0 ORDER BY id LIMIT 1")
    await _tamper(world, "UPDATE payments SET captured = captured - 1 WHERE captured > 0")
    await _tamper(world, "UPDATE journal SET rules = NULL WHERE payment_id = :id", id=id)
    found = {
        str(payment): differences
        async for batch in check_stored(world.engine, REPLAYED_PAYMENTS)
        for payment, differences in batch
    }
    assert found.pop(str(id)) is None
    assert sorted(len(differences or ()) for differences in found.values()) == [0, 1], "the others are compared"


async def test_each_message_is_journalled_with_the_rules_that_decided_it(world):
    assert await world.rows("SELECT DISTINCT rules FROM journal") == [(RULES,)]
    async with world.engine.connect() as connection:
        ((id,),) = await world.rows("SELECT id FROM payments WHERE captured > 0 ORDER BY id LIMIT 1")
        published = published_state(await journal_of(connection, id))
    assert published is not None
    assert [(published.payment_id, published.captured, published.version)] == await world.rows(
        "SELECT id, captured, version FROM payments WHERE captured > 0 ORDER BY id LIMIT 1"
    )
