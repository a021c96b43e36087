"""``billing migrate``: brings every store to the shape this version needs."""

import asyncio

from runtime.settings import Settings


async def migrate(settings: Settings) -> None:
    """Postgres schema, Kafka topics, RabbitMQ topology, ClickHouse schema; each is left alone where it fits."""
    from analytics.migrate import migrate as migrate_clickhouse
    from runtime.kafka.topic_admin import create_topics
    from runtime.postgres import create_engine
    from sinks.rabbitmq.publisher import migrate as migrate_rabbitmq
    from storage.migrate import migrate as migrate_postgres

    engine = create_engine(settings)
    try:
        await asyncio.gather(
            migrate_postgres(engine), create_topics(settings), migrate_rabbitmq(settings), migrate_clickhouse(settings)
        )
    finally:
        await engine.dispose()


def run(settings: Settings) -> None:
    """Migrate everything."""
    asyncio.run(migrate(settings))
