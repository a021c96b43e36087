"""The journal's events once more into ClickHouse: for a backfill, and for the repair of what is missing.

Rows are versioned, so what is there already is replaced by itself, while the sink runs.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.translate import EventRows, by_table, rows_for
from billing.errors import InvalidMessage
from billing.messages import PaymentChanged
from billing.messages.topics import EVENTS, INBOX
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.journal import records
from storage.streams.positions import Consumer, advance, forget, load

#: Name of the backfill in ``stream_positions``: where it stands in the journal.
BACKFILL: Final = Consumer.BACKFILL
#: ``stream_partition`` of a row that was sent from the journal: its offset is that of the inbox.
FROM_JOURNAL: Final = 2**32 - 1
#: Messages per insert, and payments per repair.
CHUNK: Final = 10_000
PAYMENTS_CHUNK: Final = 1_000
#: Partitions under way at once: one is read and translated while ClickHouse takes in the others.
SIDE_BY_SIDE: Final = 3


class _Published(msgspec.Struct):
    """Of an envelope what a row needs: nothing but changes is published as an event."""

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
                # What a product brought in is told anew by every change: of those that travel together, the last.
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
    engine: AsyncEngine, inserter: ClickHouseInserter, told: Callable[[int, int], None], *, chunk: int = CHUNK
) -> None:
    """Send everything in the journal, from where a run that did not finish stopped.

    ``told(messages, operations)``: so many more are done; the first call tells what earlier runs did. The position
    follows each insert: a run that dies repeats one chunk. Raises :class:`~runtime.retry.DependencyUnavailable` and
    :class:`~storage.streams.positions.LostPartition`, when two run at once.
    """
    async with engine.begin() as connection:
        extents = await records.extents(connection, INBOX.name)
        positions = await load(connection, BACKFILL, INBOX.name, list(extents)) if extents else {}
    told(sum(min(max(positions[p] - extent.first, 0), extent.rows) for p, extent in extents.items()), 0)
    slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def send(partition: int, at: int, end: int) -> None:
        async with slots:
            while at < end:
                async with engine.begin() as connection:
                    published = await records.published_from(connection, INBOX.name, EVENTS.name, partition, at, chunk)
                if not published:
                    return
                rows = rows_in(published)
                await inserter.insert(by_table(rows), {})
                following = published[-1][0] + 1
                async with engine.begin() as connection:
                    await advance(connection, BACKFILL, INBOX.name, {partition: (at, following)})
                at = following
                told(len(published), sum(len(event.operations) for event in rows))

    await asyncio.gather(*(send(p, positions[p], extent.end) for p, extent in sorted(extents.items())))
    async with engine.begin() as connection:
        await forget(connection, BACKFILL)  # done: the next run is a new one


async def resend(engine: AsyncEngine, inserter: ClickHouseInserter, payment_ids: Sequence[UUID]) -> None:
    """Send everything that ever happened to these payments."""
    for start in range(0, len(payment_ids), PAYMENTS_CHUNK):
        async with engine.begin() as connection:
            ids = payment_ids[start : start + PAYMENTS_CHUNK]
            published = await records.published_of(connection, INBOX.name, EVENTS.name, ids)
        await inserter.insert(by_table(rows_in(published)), {})
