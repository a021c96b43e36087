"""Sends the journal's events to ClickHouse again: for a backfill, and to repair missing rows.

Rows are versioned, so a row that is there already is replaced by an equal one, also while the sink runs.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.translate import EventRows, by_table, rows_for
from analytics.translate_subscription import SubscriptionRows, rows_for_subscription
from billing.errors import InvalidMessage
from billing.messages import PaymentChanged
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import EVENTS, INBOX, SUBSCRIPTION_EVENTS, Topic
from billing.messages.topics import SUBSCRIPTIONS as SUBSCRIPTIONS_INBOX
from sinks.clickhouse.inserter import ClickHouseInserter
from storage.journal import records
from storage.payments.metadata import metadata_of
from storage.streams.positions import Consumer, advance, forget, load

T = TypeVar("T")

#: The consumer in ``stream_positions`` that holds the backfill's position in the journal.
BACKFILL: Final = Consumer.BACKFILL
#: ``stream_partition`` of a row that was sent from the journal: its offset is that of the inbox.
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
    """Send everything in the journal, of payments and of subscriptions, from where an unfinished run stopped.

    ``on_progress(messages, operations)`` gets the numbers sent since its last call; the first call gets those of
    earlier runs. The position follows each insert: a run that dies repeats one chunk. Raises :class:`~runtime.retry.DependencyUnavailable` and
    :class:`~storage.streams.positions.LostPartition`, when two run at once.
    """
    parts = []
    done = 0
    async with engine.begin() as connection:
        for journal in JOURNALS:
            inbox = journal.inbox.name
            extents = await records.extents(connection, inbox)
            positions = await load(connection, BACKFILL, inbox, list(extents)) if extents else {}
            parts += [(journal, p, positions[p], extent.end) for p, extent in sorted(extents.items())]
            done += sum(min(max(positions[p] - extent.first, 0), extent.rows) for p, extent in extents.items())
    on_progress(done, 0)
    slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def send(journal: Journal, partition: int, at: int, end: int) -> None:
        inbox, events = journal.inbox.name, journal.events.name
        async with slots:
            while at < end:
                async with engine.begin() as connection:
                    published = await records.published_from(connection, inbox, events, partition, at, chunk)
                    rows = await _rows(connection, journal, published)
                if not published:
                    return
                tables = by_table(rows)
                await inserter.insert(tables, {})
                following = published[-1][0] + 1
                async with engine.begin() as connection:
                    await advance(connection, BACKFILL, inbox, {partition: (at, following)})
                at = following
                on_progress(len(published), len(tables["operation_versions"]))

    await asyncio.gather(*(send(*part) for part in parts))
    async with engine.begin() as connection:
        await forget(connection, BACKFILL)  # finished: the next run starts from the beginning


async def resend(engine: AsyncEngine, inserter: ClickHouseInserter, journal: Journal, ids: Sequence[UUID]) -> None:
    """Send every event of the payments or subscriptions with these ids."""
    for start in range(0, len(ids), RESEND_CHUNK):
        async with engine.begin() as connection:
            chunk = ids[start : start + RESEND_CHUNK]
            published = await records.published_of(connection, journal.inbox.name, journal.events.name, chunk)
            rows = await _rows(connection, journal, published)
        await inserter.insert(by_table(rows), {})


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
