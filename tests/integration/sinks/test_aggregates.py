"""Aggregates in ClickHouse stay right when rows are sent again, in any order and cut into other batches."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from aiokafka import TopicPartition

from analytics.rows import TABLES
from billing.messages import PaymentChanged
from billing.messages.event_parts import CallView, EntryView, LineView, PostingView
from billing.messages.topics import EVENTS
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from sinks.batch import Batch, Event
from sinks.clickhouse.inserter import ClickHouseInserter, translate
from tests.integration.sinks.parts import Sql
from tests.support.event_factories import CHANGED, CREATED, a_change, an_operation, payment_id


async def deliver(sql: Sql, changes: Sequence[PaymentChanged], first: int = 0) -> None:
    inserter = ClickHouseInserter(sql.url, now=lambda: CHANGED + timedelta(seconds=3))
    events = tuple(Event(EVENTS.name, 0, first + n, change) for n, change in enumerate(changes))
    try:
        await inserter.deliver(
            Batch({TopicPartition(EVENTS.name, 0): (first, first + len(events))}, events, tuple(map(translate, events)))
        )
    finally:
        await inserter.close()


def a_life(number: int) -> list[PaymentChanged]:
    """Opened, a try declined, captured, half of it refunded."""
    id, operation = payment_id(number), uuid4()

    def at(version: int, status: PaymentStatus, seconds: int, **fields: object) -> PaymentChanged:
        values = {"captured": 0, "authorized": 0, "operations": (), "lines": (LineView("film-1", 0, 0),)} | fields
        return a_change(
            status, payment_id=id, version=version, changed_at=CREATED + timedelta(seconds=seconds), **values
        )

    declined = an_operation(
        OperationType.AUTHORIZE, id=operation, status=OperationStatus.FAIL, reason="insufficient_funds"
    )
    postings = (
        PostingView(
            UUID(int=1000 + number),
            operation,
            CHANGED,
            (EntryView("clearing:yandex-pay", 100), EntryView("revenue", -100)),
        ),
    )
    call = CallView(operation, "yandex-pay", Action.CREATE, Outcome.SUCCEEDED, 1000)
    return [
        at(1, PaymentStatus.PENDING, 0),
        at(2, PaymentStatus.FAILED, 1, operations=(declined,)),
        at(
            3,
            PaymentStatus.CAPTURED,
            5,
            authorized=100,
            captured=100,
            postings=postings,
            lines=(LineView("film-1", 100, 0),),
            call=call,
        ),
        at(
            4,
            PaymentStatus.PARTIALLY_REFUNDED,
            9,
            authorized=100,
            captured=100,
            refunded=50,
            lines=(LineView("film-1", 100, 50),),
        ),
    ]


VIEWS = {
    "SELECT day, currency, product_id, provider, gross, refunds, net, sales FROM revenue ORDER BY product_id": [
        ["2026-11-23", "RUB", "film-1", "yandex-pay", "300", "150", "150", "3"],
        ["2026-11-23", "RUB", "film-2", "yandex-pay", "0", "0", "0", "0"],
    ],
    "SELECT opened, authorized_payments, captured_payments, refunded_payments FROM payment_rates": [
        ["3", "3", "3", "3"]
    ],
    "SELECT type, reason, reason_kind, declined FROM decline_reasons": [
        ["AUTHORIZE", "insufficient_funds", "issuer", "3"]
    ],
    "SELECT calls, p50_p95_p99_us FROM provider_latency": [["3", "[1024,1024,1024]"]],
    "SELECT finished, p50_p95_p99_ms FROM time_to_final": [["3", "[1000,1000,1000]"]],
    "SELECT dateDiff('second', created_at, captured_at), dateDiff('second', created_at, refunded_at) "
    "FROM payment_milestones": [["5", "9"]] * 3,
    "SELECT account, sum(amount) FROM ledger_entries GROUP BY account ORDER BY account": [
        ["clearing:yandex-pay", "300"],
        ["revenue", "-300"],
    ],
}


async def test_aggregates_are_right_however_often_rows_are_sent_again(sql: Sql) -> None:
    changes = [change for number in range(3) for change in a_life(number)]
    for table in TABLES:
        await sql.ask(f"SYSTEM STOP MERGES {table}")
    await deliver(sql, changes)
    for query, expected in VIEWS.items():
        assert await sql.ask(query) == expected, query

    await deliver(sql, changes)  # the same range: the token is known
    await deliver(sql, changes[5:] + changes[:5], first=1)  # no token meets its twin, and out of order
    for n, change in enumerate(changes):
        await deliver(sql, [change], first=100 + n)

    assert int((await sql.ask("SELECT count() FROM payment_versions"))[0][0]) > 12
    for query, expected in VIEWS.items():
        assert await sql.ask(query) == expected, query


async def test_a_try_that_ended_between_table_and_view_is_made_good_by_the_next(sql: Sql) -> None:
    changes = a_life(0)
    feed = (await sql.ask("SELECT create_table_query FROM system.tables WHERE name = 'declines_feed' "
                          "AND database = currentDatabase()"))[0][0]  # fmt: skip
    await sql.ask("DROP VIEW declines_feed")
    await deliver(sql, changes)
    await sql.ask(feed.replace("\\n", "\n").replace("\\'", "'"))
    await deliver(sql, changes)

    assert await sql.ask("SELECT declined FROM decline_reasons") == [["1"]]
    assert await sql.ask("SELECT count() FROM operation_versions") == [["1"]]


async def test_the_lag_of_each_batch_is_a_row(sql: Sql) -> None:
    await deliver(sql, a_life(0), first=40)

    assert await sql.ask(
        "SELECT topic, stream_partition, first_offset, next_offset, events, "
        "dateDiff('millisecond', newest_at, delivered_at) FROM stream_metrics"
    ) == [["billing.events", "0", "40", "44", "4", "-469"]]
