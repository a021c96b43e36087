"""Inserts the rows of payments, subscriptions and clearing into ClickHouse."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, DataError, ProgrammingError

from analytics.clickhouse import connect
from analytics.rows import TABLES, ClearingRow, Row, StreamRow
from analytics.translate import EventRows, by_table, rows_for
from analytics.translate_clearing import row_for_clearing
from analytics.translate_subscription import SubscriptionRows, rows_for_subscription
from billing.messages import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from runtime.retry import DependencyUnavailable
from sinks.batch import Batch, Event, PayloadRejected

#: One batch, all tables.
DELIVER_TIMEOUT_S: Final = 40.0
#: A materialized view gets a block again even if its table has it: the first attempt may have ended between the two.
#: On a cluster an insert returns once the shards have it.
_INSERT_SETTINGS: Final = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "insert_distributed_sync": 1,
    "date_time_input_format": "best_effort",
}

_CODE: Final = re.compile(r"code: (\d+)")
#: The server's errors about a value: it cannot be parsed (6, 26, 27, 38, 41, 72, 376), is out of its column's
#: range (69, 321, 407), of another kind (53, 70, 117, 691), too long (131) or violates a constraint (469).
_REFUSALS: Final = frozenset({6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 321, 376, 407, 469, 691})

#: A row is a JSON array: encoding it in C and parsing it in the server is faster than building columns in Python.
_encoder = msgspec.json.Encoder()


#: What an event becomes; ``None``: nothing.
Translated = EventRows | SubscriptionRows | ClearingRow | None


def translate(event: Event) -> Translated:
    """The rows of an event."""
    match event.change:
        case PaymentChanged():
            return rows_for(event.change, event.partition, event.offset)
        case SubscriptionChanged():
            return rows_for_subscription(event.change, event.partition, event.offset)
        case _:
            return row_for_clearing(event.change, event.partition, event.offset)


def deduplication_token(batch: Batch[Any], table: str) -> str:
    """Equal for equal ranges, so that ClickHouse drops an insert that it has seen before."""
    ranges = ",".join(f"{topic}/{n}:{first}-{after}" for (topic, n), (first, after) in sorted(batch.ranges.items()))
    return hashlib.sha256(f"{table}/{ranges}".encode()).hexdigest()


class ClickHouseInserter:
    """Inserts a batch with one insert per table, a JSON array per row. What was inserted is not read back: rows are
    versioned, so a repeat changes nothing (``analytics/migrations/0001_operations.sql``). ``now``: the wall clock
    (UTC)."""

    def __init__(self, url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = url
        self._now = now
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def deliver(self, batch: Batch[Translated]) -> None:
        tables = by_table(batch.contents)
        tokens = {table: deduplication_token(batch, table) for table in tables}
        await self.insert(tables, tokens)
        # Last, so that the rows above can be read at the time that it states.
        await self.insert({"stream_metric_versions": stream_rows(batch, self._now())}, {})

    async def insert(self, tables: Mapping[str, Sequence[Row]], tokens: Mapping[str, str]) -> None:
        """Insert the rows of each table, with the deduplication token it has in ``tokens``; without one, they are written
        whatever was inserted before.

        Raises :class:`~runtime.retry.DependencyUnavailable` while ClickHouse does not answer or its tables do not fit this release,
        and :class:`~sinks.batch.PayloadRejected` for a value that a column does not accept.
        """
        try:
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                client = await self._connected()
                for table, rows in tables.items():
                    if rows:
                        await _insert(client, table, rows, tokens.get(table))
        except (DataError, ProgrammingError):
            raise  # our request is wrong and would be again: a defect, not an outage
        except (ClickHouseError, OSError, TimeoutError) as error:
            code = _CODE.search(str(error)) if isinstance(error, DatabaseError) else None
            if code is not None and int(code[1]) in _REFUSALS:
                raise PayloadRejected(f"clickhouse: {error}") from error
            raise DependencyUnavailable(f"clickhouse: {error!r}") from error

    async def _connected(self) -> AsyncClient:
        async with self._connecting:  # concurrent inserts share one client
            if self._client is None:
                self._client = await connect(self._url)
            return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


def stream_rows(batch: Batch[Any], now: datetime) -> list[StreamRow]:
    """The age of the batch's changes when their rows became readable, by partition."""
    rows = []
    for (topic, partition), (first, following) in sorted(batch.ranges.items()):
        times = [
            at for event in batch.events if event.source == (topic, partition) and (at := event.happened_at) is not None
        ]
        if times:
            rows.append(StreamRow(topic, partition, first, following, len(times), min(times), max(times), now))
    return rows


async def _insert(client: AsyncClient, table: str, rows: Sequence[Row], token: str | None) -> None:
    await client.raw_insert(
        table,
        TABLES[table].__struct_fields__,
        _encoder.encode_lines(rows),
        # Without a token the server drops a block that equals an earlier one, though its rows may be lost since: a repair
        # would write nothing.
        settings={**_INSERT_SETTINGS, "insert_deduplication_token": token or secrets.token_hex(16)},
        fmt="JSONCompactEachRow",
    )
