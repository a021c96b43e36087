"""Topics on a real broker: what new ones are made with, and existing ones that do not fit."""

from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from billing.messages.topics import Topic
from runtime.kafka import topic_admin
from runtime.kafka.topic_admin import create_topics, topic_problems
from runtime.settings import Settings


@pytest.fixture
def settings(stack) -> Settings:
    return Settings(kafka_url=stack["urls"]["kafka"], kafka_partitions=1)


@pytest.fixture
async def topic(settings, monkeypatch):
    name = f"test-{uuid4().hex}"
    monkeypatch.setattr(topic_admin, "TOPICS", (Topic(name, "key", "nothing", 3_600_000),))
    yield name
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    await admin.start()
    await admin.delete_topics([name])
    await admin.close()


async def test_a_topic_that_we_create_fits_its_replication(settings, topic):
    assert await create_topics(settings) == [topic]
    assert await topic_problems(settings) == {}


@pytest.mark.parametrize(
    ("minimum", "replication", "problem"),
    [
        ("2", 1, "min.insync.replicas is 2, with 1 replicas it must be 1"),
        ("1", 3, "1 replicas, the settings ask for 3"),
    ],
)
async def test_an_existing_topic_that_does_not_fit_is_reported_and_left_as_it_is(
    settings, topic, minimum, replication, problem
):
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"min.insync.replicas": minimum})])
    await topic_admin._wait_for_leaders(admin, [topic])
    await admin.close()
    settings = settings.model_copy(update={"kafka_replication": replication})
    assert await create_topics(settings) == []
    assert await topic_problems(settings) == {topic: problem}
