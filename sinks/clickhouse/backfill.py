"""Sends the events of the journal and of clearing to ClickHouse again: for a backfill, and to repair missing rows.

Rows are versioned, so a row that is there already is replaced by an equal one, also while the sink runs.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.rows import ClearingRow
from analytics.translate import EventRows, by_table, rows_for
from analytics.translate_clearing import row_for_clearing
from analytics.translate_subscription import SubscriptionRows, rows_for_subscription
from billing.errors import InvalidMessage
from billing.messages import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import CLEARING_EVENTS, EVENTS, INBOX, SUBSCRIPTION_EVENTS, Topic
from billing.messages.topics import SUBSCRIPTIONS as SUBSCRIPTIONS_INBOX
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.clearing import events as clearing_events
from storage.journal import records
from storage.payments.metadata import metadata_of
from storage.streams.positions import Consumer, advance, forget, load

T = TypeVar("T")

#: The consumer in ``stream_positions`` that holds the backfill's position in the journal.
BACKFILL: Final = Consumer.BACKFILL
#: ``stream_partition`` of a row that was sent from Postgres: its offset is that of the inbox, or the number of the event.
FROM_JOURNAL: Final = 2**32 - 1
#: Messages per insert, and payments or subscriptions per repair.
CHUNK: Final = 10_000
RESEND_CHUNK: Final = 1_000
#: Partitions sent at once: one is read and translated while ClickHouse inserts the others.
SIDE_BY_SIDE: Final = 3


class Journal(NamedTuple):
    """A part of the journal: the messages of one inbox, and the topic of the events that followed from them."""

    inbox: Topic
    events: Topic


PAYMENTS: Final = Journal(INBOX, EVENTS)
SUBSCRIPTIONS: Final = Journal(SUBSCRIPTIONS_INBOX, SUBSCRIPTION_EVENTS)
JOURNALS: Final = (PAYMENTS, SUBSCRIPTIONS)
#: Events of clearing follow from no inbox: they are kept as they were published, and are a partition of their own.
CLEARING: Final = Journal(CLEARING_EVENTS, CLEARING_EVENTS)
SOURCES: Final = (*JOURNALS, CLEARING)


Rows = Sequence[EventRows | SubscriptionRows | ClearingRow | None]


class _Published(msgspec.Struct, Generic[T]):
    """The field of an envelope that a row needs. Every published event is a change."""

    data: T


_payments = msgspec.json.Decoder(list[_Published[PaymentChanged]])
_subscriptions = msgspec.json.Decoder(list[_Published[SubscriptionChanged]])


def rows_in(published: Iterable[tuple[int, str]]) -> list[EventRows]:
    """The rows of journalled events of payments; :class:`~billing.errors.InvalidMessage` for one that cannot be read."""
    found: list[EventRows] = []
    last: dict[UUID, int] = {}
    for offset, envelopes in published:
        for envelope in _read(_payments, offset, envelopes):
            event = envelope.data
            if (earlier := last.get(event.payment_id)) is not None:
                # Every change repeats the products of its payment: of the changes in one insert, only the last keeps them.
                found[earlier] = found[earlier]._replace(items=())
            if event.lines:
                last[event.payment_id] = len(found)
            found.append(rows_for(event, FROM_JOURNAL, offset))
    return found


def subscription_rows_in(published: Iterable[tuple[int, str]]) -> list[SubscriptionRows]:
    """The rows of journalled events of subscriptions; :class:`~billing.errors.InvalidMessage` for one that cannot be
    read."""
    return [
        rows_for_subscription(envelope.data, FROM_JOURNAL, offset)
        for offset, envelopes in published
        for envelope in _read(_subscriptions, offset, envelopes)
    ]


def _read(decoder: msgspec.json.Decoder[list[_Published[T]]], offset: int, envelopes: str) -> list[_Published[T]]:
    try:
        return decoder.decode(envelopes)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(f"the journal's event at {offset} cannot be read: {error}") from error


async def backfill(
    engine: AsyncEngine, inserter: ClickHouseInserter, on_progress: Callable[[int, int], None], *, chunk: int = CHUNK
) -> None:
    """Send everything in the journal and all events of clearing, from where an unfinished run stopped.

    ``on_progress(messages, operations)`` gets the numbers sent since its last call; the first call gets those of
    earlier runs. The position follows each insert: a run that dies repeats one chunk. Raises :class:`~runtime.retry.DependencyUnavailable` and
    :class:`~storage.streams.positions.LostPartition`, when two run at once.
    """
    parts = []
    done = 0
    async with engine.begin() as connection:
        for journal in SOURCES:
            inbox = journal.inbox.name
            extents = await extents_of(connection, journal)
            positions = await load(connection, BACKFILL, inbox, list(extents)) if extents else {}
            parts += [(journal, p, positions[p], extent.end) for p, extent in sorted(extents.items())]
            done += sum(min(max(positions[p] - extent.first, 0), extent.rows) for p, extent in extents.items())
    on_progress(done, 0)
    slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def send(journal: Journal, partition: int, at: int, end: int) -> None:
        inbox = journal.inbox.name
        async with slots:
            while at < end:
                async with engine.begin() as connection:
                    number, last, rows = await _next(connection, journal, partition, at, chunk)
                if not number:
                    return
                tables = by_table(rows)
                await inserter.insert(tables, {})
                async with engine.begin() as connection:
                    await advance(connection, BACKFILL, inbox, {partition: (at, last + 1)})
                at = last + 1
                on_progress(number, len(tables["operation_versions"]))

    await asyncio.gather(*(send(*part) for part in parts))
    async with engine.begin() as connection:
        await forget(connection, BACKFILL)  # finished: the next run starts from the beginning


async def extents_of(connection: AsyncConnection, source: Journal) -> dict[int, records.Extent]:
    """Partition → what Postgres holds of it."""
    if source is CLEARING:
        return await clearing_events.extents(connection)
    return await records.extents(connection, source.inbox.name)


async def resend(engine: AsyncEngine, inserter: ClickHouseInserter, source: Journal, ids: Sequence[UUID]) -> None:
    """Send every event of the payments, subscriptions or subjects of clearing with these ids."""
    for start in range(0, len(ids), RESEND_CHUNK):
        chunk = ids[start : start + RESEND_CHUNK]
        async with engine.begin() as connection:
            rows: Rows
            if source is CLEARING:
                rows = clearing_rows_in(await clearing_events.events_of(connection, chunk))
            else:
                published = await records.published_of(connection, source.inbox.name, source.events.name, chunk)
                rows = await _rows(connection, source, published)
        await inserter.insert(by_table(rows), {})


def clearing_rows_in(stored: Iterable[clearing_events.Stored]) -> list[ClearingRow | None]:
    """The rows of events of clearing."""
    return [row_for_clearing(event, FROM_JOURNAL, number) for number, event in stored]


async def _next(
    connection: AsyncConnection, source: Journal, partition: int, at: int, chunk: int
) -> tuple[int, int, Rows]:
    """The next messages of a partition from offset ``at`` on: how many, the offset of the last, and their rows."""
    if source is CLEARING:
        stored = await clearing_events.events_from(connection, at, chunk)
        return len(stored), stored[-1][0] if stored else at, clearing_rows_in(stored)
    published = await records.published_from(connection, source.inbox.name, source.events.name, partition, at, chunk)
    return len(published), published[-1][0] if published else at, await _rows(connection, source, published)


async def _rows(
    connection: AsyncConnection, journal: Journal, published: Sequence[tuple[int, str]]
) -> Sequence[EventRows | SubscriptionRows]:
    if journal is SUBSCRIPTIONS:
        return subscription_rows_in(published)
    return await _with_metadata(connection, rows_in(published))


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
