"""The payments agent on a real Postgres: crashes, repeats, rivals, poison."""

import asyncio
import json
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from billing.messages import ObservedOperation, ProviderReason, RefundPayment, ReplyTo, RollbackPayment
from billing.payments.model import Payment
from billing.vocabulary import OperationStatus, OperationType, Outcome, PaymentStatus
from runtime.kafka.publisher import OutboundMessage
from storage.journal.story import timeline_entries
from storage.journal.timeline import journal_of
from storage.streams import dead_letters
from streams.delivery.aggregate_agent import DEAD_LETTER_RUN, AggregateAgent
from streams.payments import agent as payments_agent
from streams.payments.agent import PaymentChange
from tests.support.factories import a_create, a_payment, an_order, opened, performed, shown, told
from tests.support.streams import Crash, ProcessExited, Publisher, World, requests


@pytest.fixture
async def world(database) -> World:
    return World(database)


async def test_a_batch_is_written_with_its_position_and_its_outputs_go_out(world):
    agent = await world.agent()
    create = a_create()
    await world.deliver(agent, create)
    assert (await world.payment(create.payment_id)).status is PaymentStatus.PENDING
    assert await world.position() == (1, 0)
    assert {output.topic for output in world.publisher.published} == {"billing.provider.requests", "billing.events"}


async def test_the_published_position_follows_with_the_next_batch_or_a_flush(world):
    agent = await world.agent()
    await world.deliver(agent, a_create())
    await world.deliver(agent, a_create())
    assert await world.position() == (2, 1)
    await agent.flush()
    assert await world.position() == (2, 2)


async def test_dying_before_the_transaction_leaves_nothing_and_the_batch_is_applied_once(world, monkeypatch):
    create = a_create()
    batch = world.log.write(create)

    async def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(payments_agent, "save", die)
        with pytest.raises(Crash):
            await (await world.agent()).process(batch)
    assert await world.rows("SELECT count(*) FROM payments") == [(0,)]
    assert await world.position() == (0, 0)
    await (await world.agent()).process(batch)
    assert await world.rows("SELECT count(*) FROM operations") == [(1,)]


async def test_dying_between_commit_and_publishing_publishes_the_same_ids_again(world):
    world.publisher.crash_on_publish = True
    create = a_create()
    with pytest.raises(Crash):
        await world.deliver(await world.agent(), create)
    assert world.publisher.published == []
    successor = Publisher()
    await world.agent(successor)
    assert len(requests(successor.published)) == 1
    assert await world.position() == (1, 1)
    third = Publisher()
    await world.agent(third)
    assert third.published == [], "what is published is not published again"


async def test_dying_between_publishing_and_the_next_transaction_repeats_the_same_ids(world):
    agent = await world.agent()
    await world.deliver(agent, a_create(), a_create())
    successor = Publisher()
    await world.agent(successor)
    assert sorted(successor.ids()) == sorted(world.publisher.ids())


async def test_a_zombie_that_wakes_after_losing_its_partition_cannot_write(world):
    zombie = await world.agent()
    create = a_create()
    batch = world.log.write(create)
    await (await world.agent(Publisher())).process(batch)
    with pytest.raises(ProcessExited, match="moved by another process"):
        await zombie.process(batch)
    assert await world.rows("SELECT count(*), max(version) FROM payments") == [(1, 1)]
    assert world.publisher.published == []


async def test_poison_goes_aside_with_its_cause_and_its_neighbours_are_applied(world):
    agent = await world.agent()
    first, second = a_create(), a_create()
    batch = [
        *world.log.write(first),
        world.log.write_raw(b"\x00 not an event"),
        *world.log.write(told(a_payment(), PaymentStatus.CAPTURED)),
        *world.log.write(second),
    ]
    await agent.process(batch)
    assert [message.offset for message, _ in world.publisher.dead_letters.written] == [1, 2]
    assert "not known" in str(world.publisher.dead_letters.written[1][1])
    assert await world.rows("SELECT count(*) FROM payments") == [(2,)]
    assert (await world.position())[0] == 4
    (unread, read) = await world.rows(
        "SELECT dead_partition, dead_offset, consumer, topic, stream_partition, stream_offset, message_id, cause"
        " FROM dead_letters ORDER BY dead_offset"
    )
    assert unread[:7] == (0, 0, "payments", "billing.payments.inbox", 0, 1, None)
    assert read[:7] == (0, 1, "payments", "billing.payments.inbox", 0, 2, "message-2")
    assert "not known" in read[7]


async def test_dying_between_a_letter_and_its_record_writes_another_whose_place_is_on_record(world, monkeypatch):
    batch = [world.log.write_raw(json.dumps(json.loads(world.log.encode(a_create())) | {"data": {}}).encode())]

    async def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(dead_letters, "add", die)
        with pytest.raises(Crash):
            await (await world.agent()).process(batch)
    assert len(world.publisher.dead_letters.written) == 1
    assert await world.position() == (0, 0), "the record and the position are one transaction"
    await (await world.agent()).process(batch)
    assert len(world.publisher.dead_letters.written) == 2
    assert await world.rows("SELECT dead_offset, message_id FROM dead_letters") == [(1, "message-0")]
    assert (await world.position())[0] == 1


async def test_where_a_letter_is_can_be_recorded_whatever_its_message_holds(world):
    agent = await world.agent()
    bad = json.loads(world.log.encode(a_create()))
    batch = [
        world.log.write_raw(json.dumps(bad | {"id": id, "data": {"a": "b\x00c"}}).encode())
        for id in ("nul\x00", "half\ud800", "x" * 5000)
    ]
    await agent.process(batch)
    assert (await world.position())[0] == 3
    ids = [row[0] for row in await world.rows("SELECT message_id FROM dead_letters ORDER BY dead_offset")]
    assert ids == ["nul", None, "x" * 200]


async def test_a_row_that_postgres_refuses_costs_only_its_own_message(world):
    agent = await world.agent()
    order = an_order()
    nul = an_order()
    nul = msgspec.structs.replace(nul, customer_id="a\x00b")
    batch = world.log.write(a_create(order=order), a_create(), a_create(order=order), a_create(order=nul), a_create())
    await agent.process(batch)
    assert [message.offset for message, _ in world.publisher.dead_letters.written] == [2, 3]
    assert await world.rows("SELECT count(*) FROM payments") == [(3,)]
    assert (await world.position())[0] == 5


async def test_a_run_of_poison_stops_the_agent_loudly(world):
    agent = await world.agent()
    batch = [world.log.write_raw(b"poison") for _ in range(DEAD_LETTER_RUN)]
    with pytest.raises(ProcessExited, match="dead letters in a row"):
        await agent.process(batch)


async def test_an_outage_is_waited_out_and_nothing_is_lost(world, monkeypatch):
    agent = await world.agent()
    create = a_create()
    real, tries = payments_agent.save, 0

    async def away(*arguments):
        nonlocal tries
        tries += 1
        if tries < 3:
            raise DBAPIError("INSERT", {}, ConnectionError("postgres is unavailable"))
        await real(*arguments)

    monkeypatch.setattr(payments_agent, "save", away)
    await world.deliver(agent, create)
    assert tries == 3
    assert (await world.payment(create.payment_id)).version == 1


async def test_messages_of_one_payment_in_one_batch_are_applied_in_order(world):
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    captured = told(payment, PaymentStatus.CAPTURED)
    await world.deliver(agent, create, opened(payment), captured, captured)
    stored = await world.payment(create.payment_id)
    assert (stored.status, stored.version, stored.captured) == (PaymentStatus.CAPTURED, 3, create.order.amount)
    assert await world.rows("SELECT count(*) FROM journal") == [(4,)]
    assert await world.rows("SELECT account, sum(amount) FROM ledger_entries GROUP BY 1 ORDER BY 1") == [
        ("clearing:yandex-pay", create.order.amount),
        ("revenue", -create.order.amount),
    ]


async def test_what_is_stored_is_what_was_decided(world):
    """The cache and the rows agree: a payment read back equals the one in memory."""
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED))
    refund = RefundPayment(create.payment_id, uuid4(), "changed their mind", amount=1_000)
    await world.deliver(agent, refund)
    in_memory = agent._cache[create.payment_id]
    stored = await world.payment(create.payment_id)
    by_id = sorted(stored.operations, key=lambda o: o.id)
    assert by_id == sorted(in_memory.operations, key=lambda o: o.id)
    assert msgspec.structs.replace(stored, operations=()) == msgspec.structs.replace(in_memory, operations=())


async def test_a_rollback_is_stored_with_the_amount_that_the_provider_gave_back(world):
    agent = await world.agent()
    create = a_create(order=an_order(10_000))
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    rollback = RollbackPayment(create.payment_id, uuid4(), "fraud")
    await world.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED), rollback)
    seen = (
        ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, rollback.operation_id, "re-2", 7_500),
        ObservedOperation(OperationType.REFUND, OperationStatus.SUCCESS, None, "re-1", 2_500),
    )
    stored = await world.payment(create.payment_id)
    await world.deliver(agent, shown(stored, PaymentStatus.REFUNDED, captured=10_000, refunded=10_000, operations=seen))
    assert await world.rows("SELECT status, amount FROM operations WHERE type = 'REFUND' ORDER BY amount") == [
        ("SUCCESS", 2_500),
        ("SUCCESS", 7_500),
    ]
    stored = await world.payment(create.payment_id)
    assert (stored.status, stored.refunded, stored.contradiction) == (PaymentStatus.REFUNDED, 10_000, None)


async def test_fifty_refunds_at_once_never_exceed_what_was_captured(world):
    agent = await world.agent()
    create = a_create(order=an_order(10_000))
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED))
    refunds = [
        RefundPayment(create.payment_id, uuid4(), "race", amount=600, reply_to=ReplyTo(0, f"request-{n}"))
        for n in range(50)
    ]
    await world.deliver(agent, *refunds)
    stored = await world.payment(create.payment_id)
    reserved = [o for o in stored.operations if o.type is OperationType.REFUND]
    assert len(reserved) == 16
    assert stored.refund_pending == 9_600
    assert all(o.status is OperationStatus.PENDING for o in reserved)
    assert sum(request["action"] == "REFUND" for request in requests(world.publisher.published)) == 16
    refused = [o for o in world.publisher.published if o.topic == "billing.replies"]
    assert len(refused) == 34
    assert all(b"amount_exceeds_refundable" in bytes(reply.value) for reply in refused)


async def test_two_workers_with_a_partition_each_do_not_disturb_each_other(world):
    left, right = Publisher(), Publisher()
    agents = []
    for partition, publisher in ((0, left), (1, right)):
        agent = AggregateAgent(payments_agent.Payments(), world.engine, publisher, publisher.dead_letters, pytest.fail)
        await agent.restore([partition])
        agents.append(agent)
    batches = []
    for partition in (0, 1):
        world.log.partition, world.log.messages = partition, []
        batches.append(world.log.write(*[a_create() for _ in range(20)]))
    await asyncio.gather(*(agent.process(batch) for agent, batch in zip(agents, batches, strict=True)))
    assert await world.rows("SELECT count(*) FROM payments") == [(40,)]
    assert isinstance(left.published[0], OutboundMessage)


NO_MONEY = ProviderReason("1051", "Not enough money")


async def a_declined_payment(world: World) -> tuple[AggregateAgent[Payment, PaymentChange], Payment]:
    """An agent, and the payment that it has declined."""
    agent, create = await world.agent(), a_create()
    await world.deliver(agent, create)
    payment = await world.payment(create.payment_id)
    charge = payment.operations[0].id
    decline = performed(payment, charge, Outcome.DECLINED, reason="insufficient_funds", provider_reason=NO_MONEY)
    await world.deliver(agent, decline)
    return agent, await world.payment(payment.id)


async def test_the_cause_of_a_decline_is_stored_and_told_in_the_timeline(world):
    _, payment = await a_declined_payment(world)
    (operation,) = payment.operations
    assert (operation.reason, operation.provider_reason) == ("insufficient_funds", NO_MONEY)
    async with world.engine.connect() as connection:
        entries = timeline_entries(await journal_of(connection, payment.id), [])
    assert any("insufficient_funds (1051: Not enough money)" in entry.summary for entry in entries)


async def test_a_success_after_a_decline_keeps_no_words_of_the_decline(world):
    agent, payment = await a_declined_payment(world)
    await world.deliver(agent, shown(payment, PaymentStatus.CAPTURED))
    charge = (await world.payment(payment.id)).charge
    assert (charge.status, charge.reason, charge.provider_reason) == (OperationStatus.SUCCESS, None, None)
