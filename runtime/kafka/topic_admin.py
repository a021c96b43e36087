"""Creates the Kafka topics."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from billing.messages.topics import TOPICS
from runtime.kafka.clients import AdminClient, new_admin_client
from runtime.settings import Settings

#: How often a new topic is looked at until its partitions can be written to.
LEADERS_EVERY_S: Final = 0.1
LEADERS_PATIENCE_S: Final = 30.0


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing; returns their names. Existing ones are left as they are."""
    admin = new_admin_client(settings)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [
            NewTopic(
                topic.name,
                num_partitions=settings.kafka_partitions,
                replication_factor=settings.kafka_replication,
                topic_configs={"retention.ms": str(topic.retention_ms), "cleanup.policy": "delete"},
            )
            for topic in TOPICS
            if topic.name not in existing
        ]
        if not missing:
            return []
        response = await admin.create_topics(missing)
        await _wait_for_leaders(admin, [topic.name for topic in missing])
        for name, code, *rest in response.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(f"{name}: {rest}")
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _wait_for_leaders(admin: AdminClient, topics: Sequence[str]) -> None:
    """A partition without a leader refuses messages, and new ones have none for a moment."""
    async with asyncio.timeout(LEADERS_PATIENCE_S):
        while True:
            described = await admin.describe_topics(list(topics))
            partitions = [partition for topic in described for partition in topic["partitions"]]
            if len(described) == len(topics) and partitions and all(p["leader"] >= 0 for p in partitions):
                return
            await asyncio.sleep(LEADERS_EVERY_S)
