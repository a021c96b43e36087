"""A ClickHouse database filled with subscriptions as the sink fills it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from aiokafka import TopicPartition
from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.clickhouse import connect
from analytics.migrate import migrate
from billing.messages import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import EVENTS, SUBSCRIPTION_EVENTS
from runtime.settings import Settings
from sinks.batch import Batch, Event
from sinks.clickhouse.inserter import ClickHouseInserter, translate


@asynccontextmanager
async def subscription_database(
    server_url: str, subscriptions: Sequence[SubscriptionChanged], payments: Sequence[PaymentChanged] = ()
) -> AsyncIterator[AsyncClient]:
    """A migrated database that has these changes, the later two thirds of them delivered twice, and before the others."""
    name = f"test_{uuid4().hex}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    await migrate(Settings(clickhouse_url=url))
    inserter = ClickHouseInserter(url)
    topics = [SUBSCRIPTION_EVENTS.name] * len(subscriptions) + [EVENTS.name] * len(payments)
    changes = (*subscriptions, *payments)
    events = tuple(
        Event(topic, 0, offset, change) for offset, (topic, change) in enumerate(zip(topics, changes, strict=True))
    )
    for part in (events[len(events) // 3 :], events):
        ranges = {TopicPartition(event.topic, 0): (part[0].offset, len(events)) for event in part}
        await inserter.deliver(Batch(ranges, part, tuple(translate(event) for event in part)))
    await inserter.close()
    client = await connect(url)
    yield client
    await client.command(f"DROP DATABASE `{name}`")
    await client.close()
