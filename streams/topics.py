"""Creates the Kafka topics."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from billing.settings import Settings
from billing.topics import TOPICS


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing; returns their names. Existing ones are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
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
        for name, code, *rest in response.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(f"{name}: {rest}")
        return [topic.name for topic in missing]
    finally:
        await admin.close()
