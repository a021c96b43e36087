"""Creates the Kafka topics, and finds those whose durability does not fit."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from billing.messages.topics import TOPICS
from runtime.kafka.clients import AdminClient, new_admin_client
from runtime.settings import KafkaSettings

#: Interval of the checks whether the partitions of a new topic can be written to.
LEADERS_EVERY_S: Final = 0.1
LEADERS_PATIENCE_S: Final = 30.0
#: Replicas that must have a message before ``acks=all`` confirms it.
MIN_INSYNC: Final = "min.insync.replicas"
_TOPIC_RESOURCE: Final = ConfigResourceType.TOPIC


def min_insync_replicas(replicas: int) -> int:
    """All but one: a confirmed message outlives the loss of a broker, and the topic can be written to without one."""
    return max(1, replicas - 1)


async def create_topics(settings: KafkaSettings) -> list[str]:
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
                topic_configs={
                    "retention.ms": str(topic.retention_ms),
                    "cleanup.policy": "delete",
                    MIN_INSYNC: str(min_insync_replicas(settings.kafka_replication)),
                },
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


async def topic_problems(settings: KafkaSettings) -> dict[str, str]:
    """Topic → what makes a confirmed message less durable, or the topic less available, than it should be. Existing
    topics are not changed: an operator must (docs/operations.md). A broker that does not report the setting is skipped."""
    admin = new_admin_client(settings)
    await admin.start()
    try:
        names = sorted({topic.name for topic in TOPICS} & set(await admin.list_topics()))
        described = await admin.describe_topics(names)
        replicas = {t["topic"]: min((len(p["replicas"]) for p in t["partitions"]), default=0) for t in described}
        configs = await admin.describe_configs([ConfigResource(_TOPIC_RESOURCE, name) for name in names])
    finally:
        await admin.close()
    problems = {}
    for name, minimum in _min_insync(configs).items():
        if replicas[name] < settings.kafka_replication:
            problems[name] = f"{replicas[name]} replicas, the settings ask for {settings.kafka_replication}"
        elif minimum != (wanted := min_insync_replicas(replicas[name])):
            problems[name] = f"{MIN_INSYNC} is {minimum}, with {replicas[name]} replicas it must be {wanted}"
    return problems


def _min_insync(responses: Sequence[Any]) -> dict[str, int]:
    resources = [resource for response in responses for resource in response.resources if resource[0] == 0]
    return {name: int(entry[1]) for _, _, _, name, entries in resources for entry in entries if entry[0] == MIN_INSYNC}


async def _wait_for_leaders(admin: AdminClient, topics: Sequence[str]) -> None:
    """Wait until every partition has a leader: without one it refuses messages, and new partitions have none at first."""
    async with asyncio.timeout(LEADERS_PATIENCE_S):
        while True:
            described = await admin.describe_topics(list(topics))
            partitions = [partition for topic in described for partition in topic["partitions"]]
            if len(described) == len(topics) and partitions and all(p["leader"] >= 0 for p in partitions):
                return
            await asyncio.sleep(LEADERS_EVERY_S)
