"""The ingest API on a port, with fakes around it; and what it is made of, on the stack's Kafka."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from billing.messages.topics import CALLBACKS, INBOX, REPLIES
from runtime.kafka.clients import new_admin_client
from runtime.settings import Settings
from tests.support.ingest_server import Served, serving, until, valid_body


@pytest.fixture
async def world() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Another API, with its own providers or settings."""
    return serving


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return until


@pytest.fixture
def body() -> dict[str, Any]:
    """A valid request for a payment."""
    return valid_body()


@pytest.fixture(scope="session")
async def settings(stack) -> Settings:
    """Settings on the stack's Kafka, its topics there."""
    settings = Settings(kafka_url=stack["urls"]["kafka"], postgres_url=stack["urls"]["postgres"])
    await _create(settings, [INBOX.name, CALLBACKS.name, REPLIES.name])
    return settings


@pytest.fixture
async def topic(settings: Settings) -> AsyncIterator[str]:
    """A topic nobody else reads: the agents of the stack would act on ours."""
    name = f"test.ingest-api.{uuid4().hex}"
    await _create(settings, [name])
    yield name
    admin = new_admin_client(settings)
    await admin.start()
    await admin.delete_topics([name])
    await admin.close()


async def _create(settings: Settings, names: list[str]) -> None:
    admin = new_admin_client(settings)
    await admin.start()
    topics = [NewTopic(name, settings.kafka_partitions, settings.kafka_replication) for name in names]
    answer = await admin.create_topics(topics)
    await admin.close()
    for error in answer.topic_errors:
        if error[1] not in (0, TopicAlreadyExistsError.errno):
            raise for_code(error[1])(error)
