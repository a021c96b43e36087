"""The bench, and the real parts around it; each test has its own topic, consumer, exchange and database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import aiohttp
import pytest
from aio_pika.abc import AbstractChannel
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.clickhouse import connect
from analytics.migrate import migrate as migrate_clickhouse
from runtime.kafka.clients import new_admin_client, new_producer
from runtime.postgres import create_engine
from runtime.settings import Settings
from sinks.rabbitmq.publisher import declare_topology
from tests.integration.sinks.bench import PARTITIONS, PATIENCE_S, Bench
from tests.integration.sinks.parts import Inboxes, Sql


@pytest.fixture(scope="session")
def settings(stack: dict[str, Any]) -> Settings:
    urls = stack["urls"]
    return Settings(
        postgres_url=urls["postgres"],
        kafka_url=urls["kafka"],
        rabbitmq_url=urls["rabbitmq"],
        clickhouse_url=urls["clickhouse"],
    )


@pytest.fixture(scope="session")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(settings)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def bench(
    settings: Settings, engine: AsyncEngine, producer: AIOKafkaProducer, tmp_path: Path
) -> AsyncIterator[Bench]:
    bench = Bench(settings, engine, producer, tmp_path)
    admin = new_admin_client(settings)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in bench.topics])
    yield bench
    await admin.delete_topics(bench.topics)
    await admin.close()
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM stream_positions WHERE consumer = :c"), {"c": bench.consumer})


@pytest.fixture
async def channel(settings: Settings) -> AsyncIterator[AbstractChannel]:
    """Of a plain consumer, past the cable."""
    async with await aio_pika.connect(settings.rabbitmq_url) as connection:
        yield await connection.channel()


@pytest.fixture
async def inboxes(bench: Bench, channel: AbstractChannel) -> AsyncIterator[Inboxes]:
    await declare_topology(channel, bench.topology)
    names = list(bench.topology.queues)
    yield Inboxes(*[await channel.get_queue(name) for name in names])
    for name in names:
        await channel.queue_delete(name)
        await channel.queue_delete(f"{name}.dead")
    await channel.exchange_delete(bench.topology.exchange)
    await channel.exchange_delete(bench.topology.dead_letter_exchange)


@pytest.fixture
async def sql(settings: Settings) -> AsyncIterator[Sql]:
    """A migrated database of the test's own."""
    database = f"test_{uuid4().hex}"
    url = urlunsplit(urlsplit(settings.clickhouse_url)._replace(path=f"/{database}"))
    await migrate_clickhouse(settings.model_copy(update={"clickhouse_url": url}))
    async with aiohttp.ClientSession() as http:
        yield Sql(url, http)
    client = await connect(url, database="default")
    await client.command(f"DROP DATABASE `{database}`")
    await client.close()


@pytest.fixture
async def dead_letters(settings: Settings) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """``await dead_letters(consumer)``: the first dead letter of a consumer."""
    reader = AIOKafkaConsumer(
        "billing.dead-letters", bootstrap_servers=settings.kafka_url, auto_offset_reset="earliest"
    )
    await reader.start()

    async def first_of(consumer: str) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            async for record in reader:
                if dict(record.headers).get("consumer") == consumer.encode():
                    return record
        raise AssertionError("the topic closed")

    yield first_of
    await reader.stop()
