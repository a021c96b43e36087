"""Operations and payments into ClickHouse."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, ProgrammingError

from analytics.clickhouse import connect
from analytics.rows import COLUMN_TYPES, EventRows, OperationRow, PaymentRow, rows_for
from sinks.event import Batch, Event
from sinks.outage import Outage

#: One batch, both tables.
DELIVER_TIMEOUT_S: Final = 40.0


def translate(event: Event) -> EventRows:
    """The rows of an event."""
    return rows_for(event.change, event.partition, event.offset)


def deduplication_token(batch: Batch[Any], table: str) -> str:
    """The same for the same ranges of the same topic: ClickHouse drops an insert that it has seen before."""
    ranges = ",".join(f"{partition}:{first}-{after}" for partition, (first, after) in sorted(batch.ranges.items()))
    return hashlib.sha256(f"{table}/{batch.topic}/{ranges}".encode()).hexdigest()


class ClickHouseInserter:
    """Inserts a batch with one insert per table, in columns. What was inserted is not read back: rows are versioned,
    so a repeat changes nothing (``analytics/migrations/0001_operations.sql``)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: AsyncClient | None = None

    async def deliver(self, batch: Batch[EventRows]) -> None:
        operations = [row for rows in batch.contents for row in rows.operations]
        payments = [rows.payment for rows in batch.contents]
        try:
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                if self._client is None:
                    self._client = await connect(self._url)
                await self._insert(self._client, "operation_versions", OperationRow._fields, operations, batch)
                await self._insert(self._client, "payment_versions", PaymentRow._fields, payments, batch)
        except (DataError, ProgrammingError):
            raise  # what we sent is wrong, and will be the next time: a bug, not an outage
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise Outage(f"clickhouse: {error!r}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @staticmethod
    async def _insert(
        client: AsyncClient,
        table: str,
        columns: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
        batch: Batch[EventRows],
    ) -> None:
        if not rows:
            return
        await client.insert(
            table,
            list(zip(*rows, strict=True)),
            column_names=columns,
            column_type_names=[COLUMN_TYPES[column] for column in columns],
            column_oriented=True,
            settings={"insert_deduplication_token": deduplication_token(batch, table)},
        )
