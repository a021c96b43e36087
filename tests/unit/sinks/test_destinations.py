"""What leaves for RabbitMQ and ClickHouse."""

import asyncio
import json
from typing import Any

import aio_pika
import pytest
from aiokafka import TopicPartition

from analytics.translate import by_table, rows_for
from billing.errors import InvalidMessage
from billing.vocabulary import PaymentStatus
from sinks.batch import Batch, Event, read_event
from sinks.clickhouse import inserter as clickhouse
from sinks.rabbitmq import publisher
from tests.support.event_factories import CHANGED, TRACE, a_change, as_message
from tests.support.sink_harness import TOPIC, Log


def test_a_signal_is_persistent_json_with_its_ids_its_time_and_its_trace() -> None:
    change = a_change(version=3)
    allow, _ = publisher.translate(Event(TOPIC, 0, 0, change, TRACE))

    message = publisher.message_of(allow)

    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (message.content_type, message.type) == ("application/json", "billing.signals.auth.allow_access.v1")
    assert message.message_id == f"{change.payment_id}:3:auth.allow_access"
    assert message.correlation_id == str(change.payment_id)
    assert message.timestamp is not None
    assert message.timestamp.replace(microsecond=0) == CHANGED.replace(microsecond=0)
    assert message.headers == {"traceparent": TRACE}
    assert json.loads(message.body)["products"] == ["film-1", "film-2"]


def test_a_change_that_concerns_nobody_is_no_message() -> None:
    assert publisher.translate(Event(TOPIC, 0, 0, a_change(PaymentStatus.AUTHORIZED))) == ()


def a_batch(topic: str = TOPIC, **ranges: tuple[int, int]) -> Batch[Any]:
    return Batch({TopicPartition(topic, int(name[1:])): offsets for name, offsets in ranges.items()}, (), ())


def test_the_deduplication_token_follows_from_the_ranges_alone_in_any_order() -> None:
    token = clickhouse.deduplication_token(a_batch(p1=(0, 5), p2=(7, 9)), "operation_versions")

    assert token == clickhouse.deduplication_token(a_batch(p2=(7, 9), p1=(0, 5)), "operation_versions")


@pytest.mark.parametrize(
    ("batch", "table"),
    [
        (a_batch(p1=(0, 5), p2=(7, 9)), "payment_versions"),
        (a_batch(p1=(0, 6), p2=(7, 9)), "operation_versions"),
        (a_batch(p1=(0, 5)), "operation_versions"),
        (a_batch("another.topic", p1=(0, 5), p2=(7, 9)), "operation_versions"),
    ],
)
def test_another_table_range_or_topic_has_another_token(batch: Batch[Any], table: str) -> None:
    token = clickhouse.deduplication_token(a_batch(p1=(0, 5), p2=(7, 9)), "operation_versions")

    assert clickhouse.deduplication_token(batch, table) != token


def test_an_event_keeps_its_place_and_its_trace() -> None:
    log = Log()
    key, value = as_message(a_change(), traceparent=TRACE)
    log.write_raw(value, key=key, offset=41)

    event = read_event(log.records[0][0])

    assert (event.partition, event.offset, event.traceparent) == (0, 41, TRACE)


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"id":"1","source":"s","type":"t","subject":"x"}'])
def test_what_is_no_event_is_refused(value: bytes | None) -> None:
    log = Log()
    log.write_raw(value)

    with pytest.raises(InvalidMessage):
        read_event(log.records[0][0])


async def test_inserts_side_by_side_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Client:
        async def raw_insert(self, *_arguments: object, **_options: object) -> None:
            pass

        async def close(self) -> None:
            opened.remove(self)

    async def connect(_url: str) -> Client:
        await asyncio.sleep(0)
        opened.append(Client())
        return opened[-1]

    monkeypatch.setattr("sinks.clickhouse.inserter.connect", connect)
    inserter = clickhouse.ClickHouseInserter("http://nowhere")
    rows = rows_for(a_change(), 0, 0)

    await asyncio.gather(*(inserter.insert(by_table([rows]), {}) for _ in range(3)))
    assert len(opened) == 1
    await inserter.close()
    assert opened == []
