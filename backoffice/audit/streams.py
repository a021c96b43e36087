"""Kafka against Postgres: every message is accounted for, every version of a payment was published."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from billing.messages import CreatePayment
from billing.messages.topics import DEAD_LETTERS, EVENTS, INBOX, TOPICS
from runtime.settings import Settings
from storage.inspection import books as sql
from storage.streams.positions import Consumer

#: Consumers whose lag has a kind of its own.
BEHIND: Final[Mapping[str, str]] = {Consumer.SIGNALS: "signals_behind", Consumer.ANALYTICS: "analytics_behind"}
#: Messages per fetch from Kafka, and payments per query.
FETCH: Final = 5000

Lag = Mapping[str, int]
"""Consumer → messages it has not processed yet."""
Buried = frozenset[tuple[int, int]]
"""``(partition, offset)`` of inbox messages in the dead letters."""


class Subject(msgspec.Struct):
    """The payment of a message, and its version if the message has one."""

    payment_id: UUID
    version: int = 0


class Headline(msgspec.Struct):
    """The fields of an envelope that the audit needs."""

    type: str
    data: Subject


_headline = msgspec.json.Decoder(Headline).decode


class Log:
    """Reads topics without a group, and commits nothing. ``partitions``: topic → its partitions."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Mapping[str, Sequence[int]]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> "AsyncIterator[Log]":
        """Connect. Raises ``UnknownTopicOrPartitionError`` if one of our topics is missing."""
        partitions = await _partitions(settings)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_url, enable_auto_commit=False, auto_offset_reset="none"
        )
        await consumer.start()
        try:
            yield cls(consumer, partitions)
        finally:
            await consumer.stop()

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Partition → its first offset, and the offset after its last."""
        partitions = [TopicPartition(topic, partition) for partition in self._partitions[topic]]
        first = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        return {tp.partition: (first[tp], end[tp]) for tp in partitions}

    async def read(self, topic: str, ranges: Mapping[int, tuple[int, int]]) -> AsyncIterator[list[Any]]:
        """The messages of each partition from the first offset up to, not including, the second."""
        until = {TopicPartition(topic, p): end for p, (start, end) in ranges.items() if start < end}
        if not until:
            return
        self._consumer.assign(list(until))
        for tp in until:
            self._consumer.seek(tp, ranges[tp.partition][0])
        while until:
            for tp, records in (await self._consumer.getmany(timeout_ms=1000, max_records=FETCH)).items():
                yield [record for record in records if record.offset < until.get(tp, 0)]
            for tp in list(until):
                if await self._consumer.position(tp) >= until[tp]:
                    self._consumer.pause(tp)
                    del until[tp]


async def _partitions(settings: Settings) -> dict[str, list[int]]:
    """The partitions of each of our topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    await admin.start()
    try:
        described = await admin.describe_topics([topic.name for topic in TOPICS])
    finally:
        await admin.close()
    partitions = {topic["topic"]: sorted(p["partition"] for p in topic["partitions"]) for topic in described}
    if absent := [topic.name for topic in TOPICS if not partitions.get(topic.name)]:
        raise UnknownTopicOrPartitionError(f"no topic {', '.join(absent)}")
    return partitions


async def check_positions(
    connection: AsyncConnection, log: Log, findings: Findings, *, settled: bool
) -> dict[str, int]:
    """Each consumer's lag in messages."""
    lag: dict[str, int] = {}
    bounds: dict[str, dict[int, tuple[int, int]]] = {}
    for consumer, topic, partition, following in await sql.positions(connection):
        if topic not in bounds:
            bounds[topic] = await log.bounds(topic)
        end = bounds[topic].get(partition, (0, 0))[1]
        findings.checked["positions"] += 1
        if following > end:
            where = f"{consumer}:{topic}/{partition}"
            findings.found("position_beyond_log", where, f"position {following}, the topic ends at {end}")
        lag[consumer] = lag.get(consumer, 0) + max(end - following, 0)
    findings.checked["in_flight"] += sum(lag.values())
    for consumer, messages in lag.items() if settled else ():
        if messages:
            findings.found(BEHIND.get(consumer, "behind"), consumer, f"{messages} messages not processed")
    return lag


async def buried(log: Log, findings: Findings) -> Buried:
    """Inbox messages that the payments agent wrote to the dead letters."""
    found = set()
    async for records in log.read(DEAD_LETTERS.name, await log.bounds(DEAD_LETTERS.name)):
        for record in records:
            findings.checked["dead_letters"] += 1
            # Of headers with the same name the first counts: the message's own headers follow.
            headers = dict(reversed(record.headers))
            if headers.get("consumer") == Consumer.PAYMENTS.encode() and headers.get("topic") == INBOX.name.encode():
                found.add((int(headers["partition"]), int(headers["offset"])))
    return frozenset(found)


async def check_journal(
    connection: AsyncConnection, starts: Mapping[int, int], buried: Buried, findings: Findings
) -> dict[int, tuple[int, int]]:
    """Every inbox offset from ``starts`` up to the position is in the journal once, or in the dead letters.

    Returns the range that was checked: partition → first offset and the one after the last.
    """
    processed = {}
    for consumer, topic, partition, following in await sql.positions(connection):
        start = starts.get(partition, following)
        if (consumer, topic) != (Consumer.PAYMENTS, INBOX.name) or start >= following:
            continue
        processed[partition] = (start, following)
        findings.checked["offsets"] += following - start
        missing, doubled = await sql.journal_gaps(connection, topic, partition, start, following)
        lost = [offset for offset in missing if (partition, offset) not in buried]
        for offset in lost[: sql.REPORTED_MAX]:
            findings.found("offset_unaccounted", f"{partition}/{offset}", "neither journalled nor dead-lettered")
        for offset, times in doubled:
            findings.found("offset_doubled", f"{partition}/{offset}", f"journalled {times} times")
    return processed


async def check_requests(
    connection: AsyncConnection, log: Log, processed: Mapping[int, tuple[int, int]], buried: Buried, findings: Findings
) -> None:
    """Every accepted request that was processed has a payment or a refusal."""
    async for records in log.read(INBOX.name, processed):
        creates = []
        for record in records:
            if (record.partition, record.offset) in buried:
                continue
            try:
                headline = _headline(record.value)
            except msgspec.MsgspecError as error:
                findings.found("offset_unaccounted", f"{record.partition}/{record.offset}", f"unreadable: {error}")
                continue
            if headline.type == CreatePayment.TYPE:
                creates.append((headline.data.payment_id, record.partition, record.offset))
        await check_creates(connection, creates, findings)


async def check_creates(connection: AsyncConnection, creates: list[tuple[UUID, int, int]], findings: Findings) -> None:
    """Check processed requests: ``(payment id, partition, offset)``."""
    findings.checked["requests"] += len(creates)
    for payment_id, partition, offset in await sql.without_payment(connection, INBOX.name, creates) if creates else ():
        where = f"accepted at {partition}/{offset}"
        findings.found("payment_missing", payment_id, f"{where}: no payment and no refusal")


async def check_events(connection: AsyncConnection, log: Log, findings: Findings) -> None:
    """Every version of a payment, from the first that the topic still holds, was published."""
    for partition, (start, end) in (await log.bounds(EVENTS.name)).items():
        seen: dict[UUID, int] = {}
        async for records in log.read(EVENTS.name, {partition: (start, end)}):
            for record in records:
                try:
                    subject = _headline(record.value).data
                except msgspec.MsgspecError as error:
                    findings.found("event_unreadable", f"{partition}/{record.offset}", str(error))
                    continue
                seen[subject.payment_id] = seen.get(subject.payment_id, 0) | 1 << subject.version
        findings.checked["events"] += end - start
        await check_versions(connection, seen, findings, complete=start == 0)


async def check_versions(
    connection: AsyncConnection, seen: Mapping[UUID, int], findings: Findings, *, complete: bool
) -> None:
    """``seen``: payment → the versions published, as a set of bits. ``complete``: the topic still has all its messages."""
    ids = list(seen)
    for first in range(0, len(ids), FETCH):
        for id, version in (await sql.versions(connection, ids[first : first + FETCH])).items():
            oldest = 1 if complete else (seen[id] & -seen[id]).bit_length() - 1
            missing = [v for v in range(oldest, version + 1) if not seen[id] >> v & 1]
            if missing:
                findings.found("event_missing", id, f"versions never published: {missing}")
