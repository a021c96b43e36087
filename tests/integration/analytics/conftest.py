"""A ClickHouse database with two generated days in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from analytics.clickhouse import connect
from analytics.migrate import migrate
from analytics.report import bind, find_report, run
from billing.messages.topics import EVENTS
from runtime.settings import Settings
from sinks.batch import Batch, Event
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from tests.support.reports import FIRST_DAY, Days

Ask = Callable[..., Awaitable[list[tuple[Any, ...]]]]
TODAY = (FIRST_DAY + timedelta(days=1)).date()


@pytest.fixture(scope="session")
def days() -> Days:
    return Days()


@pytest.fixture(scope="session")
async def clickhouse_url(stack: dict[str, Any]) -> AsyncIterator[str]:
    """A migrated database."""
    name = f"test_{uuid4().hex}"
    url = urlunsplit(urlsplit(stack["urls"]["clickhouse"])._replace(path=f"/{name}"))
    await migrate(Settings(clickhouse_url=url))
    yield url
    client = await connect(url, database="default")
    await client.command(f"DROP DATABASE `{name}`")
    await client.close()


@pytest.fixture(scope="session")
async def ask(clickhouse_url: str, days: Days) -> AsyncIterator[Ask]:
    """``await ask("funnel", provider="sandbox")``: a report's rows, on the generated days, some sent twice.
    ``of``: of one API client."""
    inserter = ClickHouseInserter(clickhouse_url, now=lambda: FIRST_DAY + timedelta(days=3))
    events = tuple(Event(EVENTS.name, 0, offset, event) for offset, event in enumerate(days.events))
    for first in (0, len(events) // 2):
        part = events[first:]
        await inserter.deliver(
            Batch(
                {TopicPartition(EVENTS.name, 0): (first, len(events))}, part, tuple(translate(event) for event in part)
            )
        )
    await inserter.close()
    client = await connect(clickhouse_url)

    async def rows(name: str, *, of: str | None = None, **given: str) -> list[tuple[Any, ...]]:
        report = find_report(name)
        return [tuple(row) for row in (await run(client, report, bind(report, given, TODAY), of=of)).rows]

    yield rows
    await client.close()
