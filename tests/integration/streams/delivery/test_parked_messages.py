"""Messages of a type that the worker does not know, during a release: on a real Postgres."""

from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from billing.messages import (
    MESSAGE_TYPES,
    CapturePayment,
    CreatePayment,
    Message,
    RefundPayment,
    decode_envelope,
    envelope,
)
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from runtime.kafka.publisher import OutboundMessage
from storage.streams.parked_messages import PARKED_FOR
from storage.streams.parking import ParkedMessages
from streams.delivery.aggregate_agent import DEAD_LETTER_RUN
from tests.support.factories import NOW, a_create, a_payment, an_order, opened, told
from tests.support.streams import Crash, Publisher, World, requests

PARKED = "SELECT stream_offset, type, parked_at, resolution FROM parked_messages ORDER BY stream_offset"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def world(database) -> World:
    return World(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def old(monkeypatch) -> pytest.MonkeyPatch:
    """This process is of the last release: it does not know refunds. ``undo()`` makes it of this one."""
    monkeypatch.delitem(envelope._decoders, RefundPayment.TYPE)
    return monkeypatch


def returning(world: World, clock: Clock, publisher: Publisher | None = None, *, knows: bool = True) -> ParkedMessages:
    publisher = publisher or world.publisher
    understood = set(MESSAGE_TYPES) - (set() if knows else {RefundPayment.TYPE})
    return ParkedMessages(world.engine, publisher, publisher.dead_letters, "payments", understood, clock)  # type: ignore[arg-type]


def returned(publisher: Publisher) -> list[OutboundMessage]:
    return [output for output in publisher.published if output.topic == "billing.payments.inbox"]


async def a_captured_payment(world: World, clock: Clock) -> CreatePayment:
    create = a_create(order=an_order(10_000))
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    agent = await world.agent(now=clock)
    await world.deliver(agent, create, opened(payment), told(payment, PaymentStatus.CAPTURED))
    return create


def a_refund(create: CreatePayment, amount: int = 1_000) -> RefundPayment:
    return RefundPayment(create.payment_id, uuid4(), "changed their mind", amount)


async def test_a_message_of_a_newer_release_waits_and_is_processed_once_by_a_worker_that_knows_it(world, clock, old):
    create = await a_captured_payment(world, clock)
    refund = a_refund(create)
    before, after = a_create(), a_create()
    await world.deliver(await world.agent(now=clock), before, refund, after)
    assert world.publisher.dead_letters.written == []
    assert await world.rows(PARKED) == [(4, RefundPayment.TYPE, NOW, None)]
    assert (await world.position())[0] == 6
    assert await world.rows("SELECT count(*) FROM payments") == [(3,)], "its neighbours are processed"

    assert await returning(world, clock, knows=False).return_due() == 0, "a worker of the old release leaves it alone"
    old.undo()
    assert await returning(world, clock).return_due() == 1
    assert await returning(world, clock).return_due() == 0, "once"
    (output,) = returned(world.publisher)
    assert (output.key, output.partition) == ("key", 0)
    await (await world.agent(now=clock)).process([world.log.write_raw(bytes(output.value))])
    stored = await world.payment(create.payment_id)
    assert [o.amount for o in stored.operations if o.type is OperationType.REFUND] == [1_000]
    assert sum(request["action"] == "REFUND" for request in requests(world.publisher.published)) == 1
    assert await world.rows(PARKED) == [(4, RefundPayment.TYPE, NOW, "returned")]
    assert world.publisher.dead_letters.written == []


async def test_it_is_parked_again_where_the_partition_is_still_an_old_workers_and_its_hour_goes_on(world, clock, old):
    create = await a_captured_payment(world, clock)
    agent = await world.agent(now=clock)
    await world.deliver(agent, a_refund(create))
    clock.now += timedelta(minutes=59)
    assert await returning(world, clock).return_due() == 1
    await agent.process([world.log.write_raw(bytes(returned(world.publisher)[0].value))])
    assert await world.rows(PARKED) == [
        (3, RefundPayment.TYPE, NOW, "returned"),
        (4, RefundPayment.TYPE, NOW, None),
    ]
    clock.now += timedelta(minutes=1)
    assert await returning(world, clock, knows=False).return_due() == 1
    assert [message.offset for message, _ in world.publisher.dead_letters.written] == [4]


async def test_it_becomes_a_dead_letter_after_an_hour_and_not_before(world, clock, old):
    create = await a_captured_payment(world, clock)
    (incoming,) = world.log.write(a_refund(create))
    await (await world.agent(now=clock)).process([incoming])
    clock.now += PARKED_FOR - timedelta(seconds=1)
    assert await returning(world, clock, knows=False).return_due() == 0
    assert world.publisher.dead_letters.written == []
    clock.now += timedelta(seconds=1)
    assert await returning(world, clock, knows=False).return_due() == 1
    assert await returning(world, clock, knows=False).return_due() == 0, "once"
    ((message, cause),) = world.publisher.dead_letters.written
    assert (message.partition, message.offset, message.value) == (0, incoming.offset, incoming.value)
    assert RefundPayment.TYPE in str(cause)
    assert await world.rows(PARKED) == [(3, RefundPayment.TYPE, NOW, "dead-letter")]


async def test_messages_of_one_payment_come_back_in_their_order(world, clock, old):
    create = await a_captured_payment(world, clock)
    refunds = [a_refund(create, amount) for amount in (100, 200, 300)]
    agent = await world.agent(now=clock)
    for refund in refunds:
        await world.deliver(agent, refund)
        clock.now += timedelta(seconds=1)
    await returning(world, clock).return_due()
    old.undo()
    assert [decode_envelope(bytes(o.value)).open() for o in returned(world.publisher)] == refunds


async def test_dying_after_a_message_was_returned_returns_it_again_and_refunds_once(world, clock, old, monkeypatch):
    create = await a_captured_payment(world, clock)
    await world.deliver(await world.agent(now=clock), a_refund(create))
    old.undo()

    async def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr("storage.streams.parking.resolve", die)
        with pytest.raises(Crash):
            await returning(world, clock).return_due()
    assert await returning(world, clock).return_due() == 1
    outputs = returned(world.publisher)
    assert len(outputs) == 2
    await (await world.agent(now=clock)).process([world.log.write_raw(bytes(output.value)) for output in outputs])
    refunds = [o for o in (await world.payment(create.payment_id)).operations if o.type is OperationType.REFUND]
    assert [(o.amount, o.status) for o in refunds] == [(1_000, OperationStatus.PENDING)]
    assert sum(request["action"] == "REFUND" for request in requests(world.publisher.published)) == 1


async def test_dying_before_the_position_moves_parks_it_once(world, clock, old, monkeypatch):
    create = await a_captured_payment(world, clock)
    batch = world.log.write(a_refund(create))

    async def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr("streams.delivery.aggregate_agent.park", die)
        with pytest.raises(Crash):
            await (await world.agent(now=clock)).process(batch)
    assert await world.rows(PARKED) == []
    assert (await world.position())[0] == 3
    await (await world.agent(now=clock)).process(batch)
    assert len(await world.rows(PARKED)) == 1


async def test_many_parked_messages_do_not_stop_the_worker(world, clock, old):
    create = await a_captured_payment(world, clock)
    await world.deliver(await world.agent(now=clock), *[a_refund(create, 1) for _ in range(DEAD_LETTER_RUN + 1)])
    assert await world.rows("SELECT count(*) FROM parked_messages") == [(DEAD_LETTER_RUN + 1,)]


async def test_a_type_that_cannot_be_ours_is_a_dead_letter_at_once(world, clock):
    def typed(message: Message, type: str) -> bytes:
        whole = msgspec.json.decode(world.log.encode(message))
        return msgspec.json.encode(whole | {"type": type})

    agent = await world.agent(now=clock)
    batch = [world.log.write_raw(typed(a_create(), type)) for type in ("com.example.order", "billing.\0.v1", "")]
    await agent.process(batch)
    assert [message.offset for message, _ in world.publisher.dead_letters.written] == [0, 1, 2]
    assert await world.rows(PARKED) == []


async def test_an_unreadable_message_of_a_known_type_is_a_dead_letter_at_once(world, clock):
    agent = await world.agent(now=clock)
    whole = msgspec.json.decode(world.log.encode(CapturePayment(uuid4(), uuid4())))
    await agent.process([world.log.write_raw(msgspec.json.encode(whole | {"data": {"payment_id": 1}}))])
    assert len(world.publisher.dead_letters.written) == 1
