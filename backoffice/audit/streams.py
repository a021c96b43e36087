"""Kafka against Postgres: every message is accounted for, every version of a payment was published."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from backoffice.audit.findings import Findings
from billing.messages import CreatePayment
from billing.messages.topics import DEAD_LETTERS, EVENTS, INBOX, SUBSCRIPTIONS
from runtime.kafka import dead_letters
from runtime.kafka.reader import TopicReader
from storage.inspection import books as sql
from storage.streams.positions import Consumer

#: Consumers whose lag has a kind of its own.
BEHIND: Final[Mapping[str, str]] = {Consumer.SIGNALS: "signals_behind", Consumer.ANALYTICS: "analytics_behind"}
#: Payments per query.
FETCH: Final = 5000

Lag = Mapping[str, int]
"""Consumer → messages it has not processed yet."""
Buried = frozenset[tuple[str, int, int]]
"""``(topic, partition, offset)`` of inbox messages in the dead letters."""
#: The agents that journal what they process, and their inboxes.
INBOXES: Final[Mapping[str, str]] = {Consumer.PAYMENTS: INBOX.name, Consumer.SUBSCRIPTIONS: SUBSCRIPTIONS.name}


class Subject(msgspec.Struct):
    """The payment of a message, and its version if the message has one."""

    payment_id: UUID
    version: int = 0


class Headline(msgspec.Struct):
    """The fields of an envelope that the audit needs."""

    type: str
    data: Subject


_headline = msgspec.json.Decoder(Headline).decode


async def check_positions(
    connection: AsyncConnection, log: TopicReader, findings: Findings, *, settled: bool
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


async def buried(log: TopicReader, findings: Findings) -> Buried:
    """Inbox messages that the agents of :data:`INBOXES` wrote to the dead letters."""
    found = set()
    async for records in log.read(DEAD_LETTERS.name, await log.bounds(DEAD_LETTERS.name)):
        for record in records:
            findings.checked["dead_letters"] += 1
            origin = dead_letters.parse(record).origin_headers
            topic = origin.get("topic")
            if topic is not None and INBOXES.get(origin.get("consumer", "")) == topic:
                found.add((topic, int(origin["partition"]), int(origin["offset"])))
    return frozenset(found)


async def check_journal(
    connection: AsyncConnection, consumer: str, starts: Mapping[int, int], buried: Buried, findings: Findings
) -> dict[int, tuple[int, int]]:
    """Every offset of the consumer's inbox from ``starts`` up to the position is in the journal once, or in the dead letters.

    Returns the range that was checked: partition → first offset and the one after the last.
    """
    processed = {}
    for name, topic, partition, following in await sql.positions(connection):
        start = starts.get(partition, following)
        if (name, topic) != (consumer, INBOXES[consumer]) or start >= following:
            continue
        processed[partition] = (start, following)
        findings.checked["offsets"] += following - start
        missing, doubled = await sql.journal_gaps(connection, topic, partition, start, following)
        lost = [offset for offset in missing if (topic, partition, offset) not in buried]
        for offset in lost[: sql.REPORTED_MAX]:
            findings.found(
                "offset_unaccounted", f"{topic}/{partition}/{offset}", "neither journalled nor dead-lettered"
            )
        for offset, times in doubled:
            findings.found("offset_doubled", f"{topic}/{partition}/{offset}", f"journalled {times} times")
    return processed


async def check_requests(
    connection: AsyncConnection,
    log: TopicReader,
    processed: Mapping[int, tuple[int, int]],
    buried: Buried,
    findings: Findings,
) -> None:
    """Every accepted request that was processed has a payment or a refusal."""
    async for records in log.read(INBOX.name, processed):
        creates = []
        for record in records:
            if (INBOX.name, record.partition, record.offset) in buried:
                continue
            try:
                headline = _headline(record.value)
            except msgspec.MsgspecError as error:
                where = f"{INBOX.name}/{record.partition}/{record.offset}"
                findings.found("offset_unaccounted", where, f"unreadable: {error}")
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


async def check_events(connection: AsyncConnection, log: TopicReader, findings: Findings) -> None:
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
