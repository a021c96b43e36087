"""Sends the journal's events to ClickHouse again: for a backfill, and to repair missing rows.

Rows are versioned, so a row that is there already is replaced by an equal one, also while the sink runs.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.translate import EventRows, by_table, rows_for
from billing.errors import InvalidMessage
from billing.messages import PaymentChanged
from billing.messages.topics import EVENTS, INBOX
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.journal import records
from storage.payments.metadata import metadata_of
from storage.streams.positions import Consumer, advance, forget, load

#: The consumer in ``stream_positions`` that holds the backfill's position in the journal.
BACKFILL: Final = Consumer.BACKFILL
#: ``stream_partition`` of a row that was sent from the journal: its offset is that of the inbox.
FROM_JOURNAL: Final = 2**32 - 1
#: Messages per insert, and payments per repair.
CHUNK: Final = 10_000
PAYMENTS_CHUNK: Final = 1_000
#: Partitions sent at once: one is read and translated while ClickHouse inserts the others.
SIDE_BY_SIDE: Final = 3


class _Published(msgspec.Struct):
    """The fields of an envelope that a row needs. Every published event is a change."""

    type: Literal["billing.payment.changed.v1"]
    data: PaymentChanged


_decoder = msgspec.json.Decoder(list[_Published])


def rows_in(published: Iterable[tuple[int, str]]) -> list[EventRows]:
    """The rows of journalled events; :class:`~billing.errors.InvalidMessage` for one that cannot be read."""
    found: list[EventRows] = []
    last: dict[UUID, int] = {}
    for offset, envelopes in published:
        for envelope in _read(offset, envelopes):
            event = envelope.data
            if (earlier := last.get(event.payment_id)) is not None:
                # Every change repeats the products of its payment: of the changes in one insert, only the last keeps them.
                found[earlier] = found[earlier]._replace(items=())
            if event.lines:
                last[event.payment_id] = len(found)
            found.append(rows_for(event, FROM_JOURNAL, offset))
    return found


def _read(offset: int, envelopes: str) -> list[_Published]:
    try:
        return _decoder.decode(envelopes)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"the journal's event at {offset} cannot be read: {error}") from error


async def backfill(
    engine: AsyncEngine, inserter: ClickHouseInserter, on_progress: Callable[[int, int], None], *, chunk: int = CHUNK
) -> None:
    """Send everything in the journal, from where an unfinished run stopped.

    ``on_progress(messages, operations)`` gets the numbers sent since its last call; the first call gets those of
    earlier runs. The position follows each insert: a run that dies repeats one chunk. Raises :class:`~runtime.retry.DependencyUnavailable` and
    :class:`~storage.streams.positions.LostPartition`, when two run at once.
    """
    async with engine.begin() as connection:
        extents = await records.extents(connection, INBOX.name)
        positions = await load(connection, BACKFILL, INBOX.name, list(extents)) if extents else {}
    on_progress(sum(min(max(positions[p] - extent.first, 0), extent.rows) for p, extent in extents.items()), 0)
    slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def send(partition: int, at: int, end: int) -> None:
        async with slots:
            while at < end:
                async with engine.begin() as connection:
                    published = await records.published_from(connection, INBOX.name, EVENTS.name, partition, at, chunk)
                    rows = await _with_metadata(connection, rows_in(published))
                if not published:
                    return
                await inserter.insert(by_table(rows), {})
                following = published[-1][0] + 1
                async with engine.begin() as connection:
                    await advance(connection, BACKFILL, INBOX.name, {partition: (at, following)})
                at = following
                on_progress(len(published), sum(len(event.operations) for event in rows))

    await asyncio.gather(*(send(p, positions[p], extent.end) for p, extent in sorted(extents.items())))
    async with engine.begin() as connection:
        await forget(connection, BACKFILL)  # finished: the next run starts from the beginning


async def resend(engine: AsyncEngine, inserter: ClickHouseInserter, payment_ids: Sequence[UUID]) -> None:
    """Send every event of these payments."""
    for start in range(0, len(payment_ids), PAYMENTS_CHUNK):
        async with engine.begin() as connection:
            ids = payment_ids[start : start + PAYMENTS_CHUNK]
            published = await records.published_of(connection, INBOX.name, EVENTS.name, ids)
            rows = await _with_metadata(connection, rows_in(published))
        await inserter.insert(by_table(rows), {})


async def _with_metadata(connection: AsyncConnection, rows: list[EventRows]) -> list[EventRows]:
    """The rows with the metadata of their orders, which events of earlier releases lack."""
    lacking = {row.payment.payment_id for row in rows if not row.payment.metadata}
    known = await metadata_of(connection, lacking) if lacking else {}
    return [
        row._replace(payment=msgspec.structs.replace(row.payment, metadata=metadata))
        if (metadata := known.get(row.payment.payment_id)) is not None
        else row
        for row in rows
    ]
