"""What one payment asks of the services, and how many a second their floors would allow."""

import asyncio
from typing import NamedTuple

import asyncpg

from billing.messages.topics import CALLBACKS
from runtime.kafka.reader import TopicReader
from runtime.settings import KafkaSettings

#: Postgres publishes the counts of a session within this.
STATISTICS_S = 1.5
_ROWS = "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_user_tables"
_CALLS = "SELECT count(*) FROM journal WHERE type = 'billing.provider.result.v1'"


class Work(NamedTuple):
    """Done since the service was set up: HTTP ``requests`` to us and to providers, but for those that open payments;
    ``rows`` written to Postgres; ``messages`` written to Kafka."""

    requests: int
    rows: int
    messages: int


async def work_done(settings: KafkaSettings, postgres_url: str) -> Work:
    """The work until now, once nothing is in progress."""
    await asyncio.sleep(STATISTICS_S)
    connection = await asyncpg.connect(postgres_url)
    try:
        rows, calls = await connection.fetchval(_ROWS), await connection.fetchval(_CALLS)
    finally:
        await connection.close()
    callbacks, messages = await _messages(settings)
    return Work(callbacks + calls, rows, messages)


def allowed_per_second(floors: dict[str, float], before: Work, after: Work, payments: int, confirms: int) -> float:
    """Payments a second if requests, rows, messages and confirms took what the floors say, one kind after the other:
    each floor was measured with both cores to itself."""
    spent = (
        (payments + after.requests - before.requests) / floors["provider_calls_per_second"]
        + (after.rows - before.rows) / floors["postgres_rows_per_second"]
        + (after.messages - before.messages) / floors["kafka_messages_per_second"]
        + confirms / floors["rabbitmq_confirms_per_second"]
    )
    return payments / spent if spent else 0.0


async def _messages(settings: KafkaSettings) -> tuple[int, int]:
    """Callbacks, and messages of all topics."""
    async with TopicReader.open(settings) as reader:
        ends = {place: end for place, (_, end) in (await reader.all_bounds()).items()}
    callbacks = sum(end for (topic, _), end in ends.items() if topic == CALLBACKS.name)
    return callbacks, sum(ends.values())
