"""Operations and payments reach ClickHouse once each, whatever happens on the way."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest
from aiokafka import TopicPartition

from analytics import migrate as migrations
from analytics.migrate import MigrationChanged
from billing.messages.topics import EVENTS
from billing.subscriptions.vocabulary import Status
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from runtime.settings import Settings
from sinks.batch import Batch, Event
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from tests.integration.sinks.bench import Bench, until
from tests.integration.sinks.cable import cable_to
from tests.integration.sinks.parts import Sql
from tests.support.event_factories import CHANGED, a_change, a_subscription_change, an_operation, as_message


async def test_a_change_is_a_row_per_operation_and_one_of_the_payment(bench: Bench, sql: Sql) -> None:
    change = a_change(operations=(an_operation(OperationType.AUTHORIZE), an_operation(OperationType.CAPTURE)))
    async with bench.sink("analytics", clickhouse_url=sql.url) as sink:
        await bench.publish([change])
        await bench.drained(1)
        assert await sink.terminate() == 0

    assert await sql.ask("SELECT count() FROM operations") == [["2"]]
    assert await sql.ask(
        "SELECT payment_id, status, amount, captured, currency, created_at, toTypeName(amount) FROM payments"
    ) == [[str(change.payment_id), "CAPTURED", "59900", "59900", "RUB", "2026-11-23 12:00:00.123456", "Int64"]]


async def test_of_several_versions_the_latest_counts_in_whatever_order_they_come(bench: Bench, sql: Sql) -> None:
    pending = an_operation(OperationType.AUTHORIZE, status=OperationStatus.PENDING)
    done = an_operation(
        OperationType.AUTHORIZE, id=pending.id, status=OperationStatus.SUCCESS, updated_at=CHANGED + timedelta(days=40)
    )
    first = a_change(PaymentStatus.PENDING, version=1, captured=0, operations=(pending,))
    second = a_change(PaymentStatus.CAPTURED, version=2, payment_id=first.payment_id, operations=(done,))
    async with bench.sink("analytics", clickhouse_url=sql.url):
        await bench.publish([second])
        await bench.drained(1)
        await bench.publish([first])
        await bench.drained(2)

    assert await sql.ask("SELECT status, version FROM operations") == [["SUCCESS", "2"]]
    assert await sql.ask("SELECT status, captured FROM payments") == [["CAPTURED", "59900"]]


async def test_killed_between_insert_and_position_counts_and_sums_stay_exact(bench: Bench, sql: Sql) -> None:
    changes = [a_change(captured=number + 1) for number in range(200)]
    await sql.ask("SYSTEM STOP MERGES payment_versions")
    await bench.publish(changes)
    async with bench.sink("analytics", clickhouse_url=sql.url, die_after_batch=2) as dying:
        assert await dying.ended() == -9
    assert 0 < await bench.done() < 200
    # Batches cut elsewhere: no deduplication token meets its twin, the versions alone keep the counts.
    async with bench.sink("analytics", clickhouse_url=sql.url, batch_max=37):
        await bench.drained(200)

    total = sum(change.captured for change in changes)
    assert await sql.ask("SELECT count(), sum(captured) FROM payments") == [["200", str(total)]]
    assert await sql.ask("SELECT count(), uniqExact(operation_id) FROM operations") == [["200", "200"]]


async def test_clickhouse_away_and_back_loses_no_row(bench: Bench, sql: Sql) -> None:
    async with cable_to(sql.url) as cable, bench.sink("analytics", clickhouse_url=cable.through(sql.url)) as sink:
        await bench.publish([a_change() for _ in range(60)])
        await bench.drained(60)
        cable.cut()
        await bench.publish([a_change() for _ in range(60)])
        await until(sink.waits)
        cable.plug()
        await bench.drained(120)

    assert await sql.ask("SELECT count() FROM operations") == [["120"]]
    assert await sql.ask("SELECT count() FROM payments") == [["120"]]


async def test_a_table_that_is_not_migrated_yet_holds_the_rows_back_and_gets_them_all(bench: Bench, sql: Sql) -> None:
    await sql.ask("ALTER TABLE operation_versions DROP COLUMN capture_mode")
    async with bench.sink("analytics", clickhouse_url=sql.url) as sink:
        await bench.publish([a_change() for _ in range(60)])
        await until(sink.waits)
        assert await bench.done() == 0, "no position moves past a row that is not there"
        await sql.ask("ALTER TABLE operation_versions ADD COLUMN capture_mode LowCardinality(String)")
        await bench.drained(60)

    assert await sql.ask("SELECT count() FROM operation_versions") == [["60"]]


async def test_what_no_column_can_hold_goes_to_the_dead_letters_and_its_neighbours_arrive(
    bench: Bench, sql: Sql, dead_letters: Callable[[str], Awaitable[Any]]
) -> None:
    async with bench.sink("analytics", clickhouse_url=sql.url):
        await bench.publish([msgspec.structs.replace(a_change(), amount=2**63)])
        await bench.publish([a_change() for _ in range(20)])
        await bench.drained(21)

    assert await sql.ask("SELECT count() FROM payments") == [["20"]]
    letter = await dead_letters(bench.consumer)
    assert dict(letter.headers)["cause"].startswith(b"InvalidMessage")


async def test_an_event_of_a_later_release_is_parked_and_arrives_once_the_sink_knows_its_type(
    bench: Bench, sql: Sql
) -> None:
    _, message = as_message(a_change())
    async with bench.sink("analytics", clickhouse_url=sql.url):
        await bench.publish_raw(message.replace(b"payment.changed.v1", b"payment.changed.v2"))
        await bench.publish([a_change() for _ in range(20)])
        await bench.drained(21)
        assert await sql.ask("SELECT count() FROM payments") == [["20"]]
        assert await bench.parked() == [("billing.payment.changed.v2", None)]
        assert await bench.return_parked() == 0, "not known yet"

        await bench.execute(
            "UPDATE parked_messages SET type = 'billing.payment.changed.v1', value = :value WHERE consumer = :consumer",
            value=message,
        )
        assert await bench.return_parked() == 1
        await bench.drained(22)

    assert await sql.ask("SELECT count() FROM payments") == [["21"]]
    assert await bench.parked() == [("billing.payment.changed.v1", "returned")]


async def test_what_the_server_refuses_goes_aside_and_its_neighbours_arrive(
    bench: Bench, sql: Sql, dead_letters: Callable[[str], Awaitable[Any]]
) -> None:
    await sql.ask("ALTER TABLE payment_versions ADD CONSTRAINT lucky CHECK amount != 666")
    changes = [a_change(captured=number) for number in range(60)]
    changes[41] = msgspec.structs.replace(changes[41], amount=666)
    await bench.publish(changes)
    async with bench.sink("analytics", clickhouse_url=sql.url):
        await bench.drained(60)

    letter = await dead_letters(bench.consumer)
    assert b"lucky" in dict(letter.headers)["cause"]
    assert await sql.ask("SELECT count(), sum(captured) FROM payments") == [["59", str(sum(range(60)) - 41)]]


async def test_events_of_both_topics_become_rows_and_a_repeat_changes_nothing(bench: Bench, sql: Sql) -> None:
    change = a_subscription_change()
    later = msgspec.structs.replace(
        change, version=3, status=Status.ENDED, changed_at=CHANGED + timedelta(days=1), periods=(), arr_before=478_800,
        arr_after=0, movement="CHURN_VOLUNTARY",
    )  # fmt: skip
    async with bench.sink("analytics", clickhouse_url=sql.url):
        await bench.publish([change, a_change(), later, change])
        await bench.drained(4)

    assert await sql.ask("SELECT status, version, arr FROM subscriptions") == [["ENDED", "3", "0"]]
    assert await sql.ask("SELECT version, movement FROM subscription_changes ORDER BY version") == [
        ["2", "NEW"],
        ["3", "CHURN_VOLUNTARY"],
    ]
    assert await sql.ask("SELECT number, status FROM subscription_periods") == [["1", "PAID"]]
    assert await sql.ask("SELECT count() FROM payments") == [["1"]]


async def test_a_second_insert_for_the_same_ranges_is_dropped_by_the_server(sql: Sql) -> None:
    events = tuple(Event(EVENTS.name, 0, offset, a_change()) for offset in range(10))
    rows = tuple(map(translate, events))
    ranges = {TopicPartition(EVENTS.name, 0): (0, 10)}
    inserter = ClickHouseInserter(sql.url)
    try:
        await inserter.deliver(Batch(ranges, events, rows))
        # In another order the block has another checksum: only the token says that it is the same.
        await inserter.deliver(Batch(ranges, events[::-1], rows[::-1]))
    finally:
        await inserter.close()

    assert await sql.ask("SELECT count() FROM operation_versions") == [["10"]]
    assert await sql.ask("SELECT count() FROM payment_versions") == [["10"]]


def with_database(settings: Settings, url: str) -> Settings:
    path = urlsplit(url).path
    return settings.model_copy(
        update={"clickhouse_url": urlunsplit(urlsplit(settings.clickhouse_url)._replace(path=path))}
    )


async def test_migrating_again_changes_nothing(settings: Settings, sql: Sql) -> None:
    before = await sql.ask("SELECT number, sha256, applied_at FROM schema_migrations ORDER BY number")

    await migrations.migrate(with_database(settings, sql.url))

    assert await sql.ask("SELECT number, sha256, applied_at FROM schema_migrations ORDER BY number") == before


async def test_a_migration_rewritten_after_it_was_applied_is_refused(
    settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritten = [migrations.Migration(1, "0001_operations.sql", "SELECT 1;\n")]
    monkeypatch.setattr(migrations, "read_migrations", lambda: rewritten)

    with pytest.raises(MigrationChanged, match="0001_operations"):
        await migrations.migrate(with_database(settings, sql.url))
