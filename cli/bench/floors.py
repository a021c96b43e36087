"""The limits of the machine, one service at a time, to compare our figures with."""

import asyncio
import secrets
import time
from typing import Any, Final

import aio_pika
import aiohttp
import asyncpg

from billing.messages.topics import REPLIES
from runtime.kafka.clients import new_producer
from runtime.settings import KafkaSettings

SECONDS: Final = 3.0
CONCURRENCY: Final = 64
ROWS: Final = 200
VALUE: Final = b"x" * 1024


async def provider_calls(sandbox_url: str) -> float:
    """Bare aiohttp calls to the sandbox per second."""
    done, deadline = 0, time.perf_counter() + SECONDS

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> None:
            nonlocal done
            while time.perf_counter() < deadline:
                async with session.get(f"{sandbox_url}/_sandbox/health") as response:
                    await response.read()
                done += 1

        await asyncio.gather(*(call() for _ in range(CONCURRENCY)))
    return done / SECONDS


async def postgres_rows(postgres_url: str) -> float:
    """Bare asyncpg rows per second, as wide as an operation, 200 per transaction."""
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("CREATE TEMPORARY TABLE bench_rows (LIKE operations INCLUDING ALL)")
        rows, number, deadline = 0, 0, time.perf_counter() + SECONDS
        while time.perf_counter() < deadline:
            async with connection.transaction():
                await connection.execute(
                    """
                    INSERT INTO bench_rows (id, payment_id, type, action, status, amount, provider, chases,
                                            corrections, version, created_at, updated_at)
                    SELECT gen_random_uuid(), gen_random_uuid(), 'AUTHORIZE', 'CREATE', 'PENDING', n, 'first', 0,
                           '{}', 1, now(), now()
                    FROM unnest($1::bigint[]) AS n
                    """,
                    list(range(1, ROWS + 1)),
                )
            rows, number = rows + ROWS, number + 1
        return rows / SECONDS
    finally:
        await connection.close()


async def kafka_messages(settings: KafkaSettings) -> float:
    """Bare aiokafka messages of 1 KB per second, all acknowledged."""
    producer = new_producer(settings)
    await producer.start()
    try:
        sent, deadline = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < deadline:
            batch: list[Any] = [await producer.send(REPLIES.name, VALUE, key=b"bench") for _ in range(1000)]
            await asyncio.gather(*batch)
            sent += len(batch)
        return sent / SECONDS
    finally:
        await producer.stop()


async def rabbitmq_confirms(rabbitmq_url: str) -> float:
    """Bare aio-pika messages of 300 bytes per second, persistent, all confirmed, to a durable queue of the benchmark's
    own."""
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        # Not an exclusive one: that is never written to disk.
        queue = await channel.declare_queue(f"bench.{secrets.token_hex(4)}", durable=True)
        done, deadline = 0, time.perf_counter() + SECONDS

        async def publish() -> None:
            nonlocal done
            while time.perf_counter() < deadline:
                message = aio_pika.Message(VALUE[:300], delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, queue.name)
                done += 1

        try:
            await asyncio.gather(*(publish() for _ in range(CONCURRENCY)))
        finally:
            await channel.queue_delete(queue.name)
    return done / SECONDS
