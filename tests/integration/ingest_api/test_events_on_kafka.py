"""The feed of the event streams on a real broker, and the journal it falls back on."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import msgspec
from aiokafka import AIOKafkaProducer

from billing.messages import Envelope, PaymentChanged
from billing.messages.topics import EVENTS
from billing.payments.decision import snapshot
from billing.vocabulary import PaymentStatus
from ingest_api.kafka.change_streams import ChangeStreams, StreamPlaces
from ingest_api.metrics import Metrics
from ingest_api.payments.postgres_reads import PostgresReads
from runtime.kafka.clients import new_producer
from runtime.settings import Settings
from tests.support.factories import NOW, a_create, a_payment, captured, opened, told
from tests.support.ingest_server import until
from tests.support.streams import World


async def send(producer: AIOKafkaProducer, topic: str, change: PaymentChanged) -> None:
    id = str(change.payment_id)
    envelope = Envelope.wrap(change, id="e", source="/test", subject=id, time=NOW)
    await producer.send_and_wait(topic, envelope.encode(), key=id.encode())


async def test_changes_reach_their_followers_and_the_topic_is_consumed_only_while_there_are_any(
    settings: Settings, topic: str
) -> None:
    streams = ChangeStreams(settings, StreamPlaces(settings, Metrics()), PaymentChanged, replace(EVENTS, name=topic))
    await streams.start()
    payment = captured()
    change = PaymentChanged(**msgspec.structs.asdict(snapshot(payment, payment.operations)))
    producer = new_producer(settings)
    await producer.start()
    try:
        assert not streams.is_live
        with streams.listen(payment.id, "site") as stream:
            await until(lambda: streams.is_live)
            await send(producer, topic, msgspec.structs.replace(change, payment_id=uuid4()))
            await producer.send_and_wait(topic, b"garbage", key=str(payment.id).encode())
            await send(producer, topic, change)
            seen: list[PaymentChanged] = []
            async with asyncio.timeout(30):
                while not seen:
                    await stream.wait(1)
                    seen = stream.drain()
            assert [(c.payment_id, c.version) for c in seen] == [(payment.id, payment.version)]
        await until(lambda: not streams.is_live)
    finally:
        await producer.stop()
        await streams.close()


async def test_the_journal_gives_every_change_after_a_version_once_and_in_order(database) -> None:
    world = World(database)
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment), opened(payment), told(payment, PaymentStatus.CAPTURED))
    reads = PostgresReads(database)

    async def versions(id: UUID, after: int, limit: int = 50) -> list[int]:
        return [change.version for change in await reads.changes(id, after, limit)]

    last = (await world.payment(payment.id)).version
    assert await versions(payment.id, 0) == list(range(1, last + 1))
    assert await versions(payment.id, 1, limit=1) == [2]
    assert await versions(payment.id, last) == []
    assert await versions(uuid4(), 0) == []
