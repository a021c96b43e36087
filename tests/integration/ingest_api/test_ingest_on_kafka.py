"""The writer and the listener against a real broker, and the process as its operator sees it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from billing.messages import Envelope, Refusal, Reply
from billing.messages.topics import REPLIES
from deploy.local.ports import free_port
from ingest_api.kafka.replies import ReplyListener, WaitingRequests
from ingest_api.kafka.writer import KafkaWriter, NotStored
from ingest_api.metrics import Metrics
from runtime.kafka.clients import new_producer
from runtime.settings import Settings
from tests.support.ingest_process import ingest_process


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[KafkaWriter]:
    writer = KafkaWriter(settings, Metrics())
    await writer.start()
    try:
        yield writer
    finally:
        await writer.close()


@asynccontextmanager
async def listening(settings: Settings, instance: int) -> AsyncIterator[tuple[ReplyListener, WaitingRequests, Metrics]]:
    metrics = Metrics()
    waiting = WaitingRequests(metrics)
    listener = ReplyListener(settings, lambda: instance, waiting, metrics)
    await listener.start()
    try:
        await until(lambda: listener.ready)
        yield listener, waiting, metrics
    finally:
        await listener.close()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(settings)
    await producer.start()
    yield producer
    await producer.stop()


async def send_reply(producer: AIOKafkaProducer, partition: int | None, correlation_id: str) -> None:
    reply = Reply(payment_id=uuid4(), correlation_id=correlation_id, refusal=Refusal("test", "a test"))
    envelope = Envelope.wrap(reply, id="r", source="/test", subject="s", time=datetime.now(UTC))
    await producer.send_and_wait(REPLIES.name, envelope.encode(), partition=partition)


async def test_what_is_stored_is_in_the_topic_with_its_key_and_headers(settings: Settings, topic: str) -> None:
    async with writing(settings) as writer:
        with pytest.raises(NotStored):
            await writer.store(topic, b"key", b"too early")
        await until_ready(writer)
        await asyncio.gather(
            *(writer.store(topic, b"key", str(number).encode(), [("ce_id", b"1")]) for number in range(100))
        )

    consumer = AIOKafkaConsumer(topic, bootstrap_servers=settings.kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    records = []
    async with asyncio.timeout(30):
        while len(records) < 100:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(batch)
    await consumer.stop()
    assert sorted(int(record.value) for record in records) == list(range(100))
    assert {(record.key, record.headers) for record in records} == {(b"key", (("ce_id", b"1"),))}
    assert len({record.partition for record in records}) == 1


async def until_ready(writer: KafkaWriter) -> None:
    """Wait until the broker answers."""
    async with asyncio.timeout(30):
        while await writer.unready() is not None:
            await asyncio.sleep(0.01)


async def test_an_unreachable_broker_is_reported_at_once(settings: Settings) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        unavailable = settings.model_copy(update={"kafka_url": f"127.0.0.1:{nobody.getsockname()[1]}"})
        async with writing(unavailable) as writer:
            assert await writer.unready() == "not connected to Kafka"
            with pytest.raises(NotStored):
                await writer.store("any", b"key", b"value")


async def test_a_reply_reaches_the_waiting_request_on_its_partition_only(settings: Settings, producer) -> None:
    async with (
        listening(settings, instance=4) as (four, here, _),
        listening(settings, instance=settings.kafka_partitions + 5) as (five, there, _),
    ):
        assert (four.partition, five.partition) == (4, 5)
        with here.register("a") as ours, there.register("a") as theirs:
            assert ours is not None
            assert theirs is not None
            await send_reply(producer, 4, "a")
            reply = await asyncio.wait_for(ours, 30)
            assert reply is not None
            assert reply.refusal == Refusal("test", "a test")
            assert not theirs.done()


async def test_earlier_replies_are_skipped_and_garbage_stops_nothing(settings: Settings, producer) -> None:
    await send_reply(producer, 6, "a")
    async with listening(settings, instance=6) as (_, waiting, metrics):
        with waiting.register("a") as old, waiting.register("b") as new:
            assert old is not None
            assert new is not None
            await producer.send_and_wait(REPLIES.name, b"garbage", partition=6)
            await send_reply(producer, 6, "b")
            await asyncio.wait_for(new, 30)
            assert not old.done()
        assert metrics.replies_invalid._value.get() == 1


async def test_the_process_becomes_ready_serves_its_metrics_and_exits_with_zero_on_sigterm(settings: Settings) -> None:
    port = free_port()
    environment = {
        "BILLING_METRICS_PORT": str(port),
        "BILLING_INGEST_METRICS_NETWORKS": "[]",
        "BILLING_KAFKA_URL": settings.kafka_url,
        "BILLING_POSTGRES_URL": settings.postgres_url,
        "BILLING_INGEST_INSTANCE": "7",
    }
    async with aiohttp.ClientSession() as http, ingest_process(http, environment) as process:
        async with http.get(f"{process.url}/metrics") as response:
            assert response.status == 404
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
        assert 'ingest_requests_total{method="GET",route="/metrics",status="404"} 1.0' in text
        assert await process.leave() == 0
