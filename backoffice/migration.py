"""Bring every store to the schema of this release."""

import asyncio

from analytics.migrate import migrate as migrate_clickhouse
from runtime.kafka.topic_admin import create_topics, topic_problems
from runtime.postgres import connected
from runtime.settings import Settings
from sinks.rabbitmq.publisher import migrate as migrate_rabbitmq
from storage.migrate import migrate as migrate_postgres


async def migrate(settings: Settings) -> dict[str, str]:
    """Migrate the Postgres schema, Kafka topics, RabbitMQ topology and ClickHouse schema. What is up to date is left
    alone. Returns the existing topics whose durability does not fit, with what is wrong."""
    async with connected(settings, command_timeout_s=None) as engine:  # an index of a large table takes minutes
        await asyncio.gather(
            migrate_postgres(engine), create_topics(settings), migrate_rabbitmq(settings), migrate_clickhouse(settings)
        )
    return await topic_problems(settings)
