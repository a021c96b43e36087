"""A producer goes on after what an outage of the broker leaves behind, on a real broker."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, UnknownError
from aiokafka.producer.sender import InitPIDHandler

from runtime.kafka.clients import new_admin_client, new_consumer, new_producer
from runtime.kafka.producer import pace
from runtime.settings import Settings

TIMEOUT_MS = 1000
SPIN_S = 0.5


@pytest.fixture
def settings(stack) -> Settings:
    return Settings(kafka_url=stack["urls"]["kafka"])


@pytest.fixture
async def topic(settings):
    name = f"test-{uuid4().hex}"
    admin = new_admin_client(settings)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    yield name
    await admin.delete_topics([name])
    await admin.close()


async def stored(settings: Settings, topic: str, number: int) -> list[bytes]:
    """The values in both partitions, once there are so many."""
    consumer = new_consumer(settings, topic, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return sorted([(await consumer.getone()).value for _ in range(number)])
    finally:
        await consumer.stop()


async def test_after_messages_that_were_given_up_for_want_of_a_leader_the_next_are_stored(settings, topic):
    producer = new_producer(settings, request_timeout_ms=TIMEOUT_MS)
    await producer.start()
    try:
        for partition in (0, 1):
            await producer.send_and_wait(topic, b"before", partition=partition)
        first_id = producer._txn_manager.producer_id
        leader_for_partition = producer.client.cluster.leader_for_partition
        producer.client.cluster.leader_for_partition = lambda _place: None
        given_up = [await producer.send(topic, b"given up", partition=0) for _ in range(3)]
        outcomes = await asyncio.gather(*given_up, return_exceptions=True)
        assert all(isinstance(outcome, KafkaError) for outcome in outcomes), outcomes
        producer.client.cluster.leader_for_partition = leader_for_partition

        for partition in (0, 1):
            await producer.send_and_wait(topic, b"later", partition=partition)
        assert producer._txn_manager.producer_id != first_id
    finally:
        await producer.stop()
    assert await stored(settings, topic, 4) == [b"before", b"before", b"later", b"later"]


async def test_a_broker_that_misses_a_number_refuses_one_message_and_not_all_that_follow(settings, topic):
    producer = new_producer(settings)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"1", partition=0)
        producer._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 1)
        with pytest.raises(KafkaError, match="OutOfOrderSequenceNumber"):
            await producer.send_and_wait(topic, b"2", partition=0)
        for value in (b"2", b"3"):
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()
    assert await stored(settings, topic, 3) == [b"1", b"2", b"3"]


class Layout:
    """A cluster in which one of two partitions has no leader."""

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1}

    def available_partitions_for_topic(self, topic: str) -> set[int]:
        return {0}


@pytest.mark.parametrize("answered", [False, True], ids=["no broker", "no leader"])
async def test_a_client_without_a_broker_or_a_leader_asks_now_and_then(settings, answered):
    producer = new_producer(settings)
    asked = 0

    async def answer(cluster, topics) -> bool:
        nonlocal asked
        asked += 1
        return answered

    producer.client._metadata_update = answer
    pace(producer.client)

    async def keep_asking() -> None:
        while True:
            await producer.client._metadata_update(Layout(), {"a-topic"})

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SPIN_S):
            await keep_asking()
    assert asked <= SPIN_S / producer.client._retry_backoff + 1
    await producer.stop()


async def test_messages_that_nobody_waits_for_any_more_leave_no_gap(settings, topic):
    producer = new_producer(settings, request_timeout_ms=TIMEOUT_MS)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"before", partition=0)
        leader_for_partition = producer.client.cluster.leader_for_partition
        producer.client.cluster.leader_for_partition = lambda _place: None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(TIMEOUT_MS / 4000):
                await producer.send_and_wait(topic, b"refused", partition=0)
        while producer._message_accumulator._batches:
            await asyncio.sleep(0.05)
        producer.client.cluster.leader_for_partition = leader_for_partition
        await producer.send_and_wait(topic, b"later", partition=0)
    finally:
        await producer.stop()
    assert await stored(settings, topic, 2) == [b"before", b"later"]


async def test_a_broker_that_gives_no_id_is_asked_again(settings, topic):
    producer = new_producer(settings)
    await producer.start()
    refusals = [UnknownError(), UnknownError()]
    ask = InitPIDHandler.do

    async def refuse_first(self, node):
        if refusals:
            raise refusals.pop()
        return await ask(self, node)

    try:
        await producer.send_and_wait(topic, b"1", partition=0)
        producer._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(InitPIDHandler, "do", refuse_first)
            with pytest.raises(KafkaError):
                await producer.send_and_wait(topic, b"2", partition=0)
            await producer.send_and_wait(topic, b"2", partition=0)
    finally:
        await producer.stop()
    assert not refusals
    assert await stored(settings, topic, 2) == [b"1", b"2"]
