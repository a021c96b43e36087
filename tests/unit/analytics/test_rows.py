"""A payment's change as ClickHouse rows."""

import re
from datetime import UTC, date, datetime
from typing import get_type_hints
from uuid import UUID

import pytest
from msgspec.structs import astuple

from analytics.migrate import read_migrations
from analytics.rows import TABLES, BookedTotalRow, StatementTotalRow
from analytics.translate import rows_for
from analytics.translate_subscription import rows_for_subscription
from billing.errors import InvalidMessage
from billing.messages import ItemView
from billing.messages.event_parts import CallView, EntryView, LineView, PostingView
from billing.messages.subscription_events import PeriodView
from billing.subscriptions.vocabulary import PeriodStatus
from billing.vocabulary import Action, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.event_factories import CHANGED, CREATED, a_change, a_subscription_change, an_operation
from tests.support.subscriptions import active


def test_every_operation_of_the_change_is_a_row_and_the_payment_is_one() -> None:
    authorize, capture = an_operation(OperationType.AUTHORIZE), an_operation(OperationType.CAPTURE)
    change = a_change(version=3, operations=(authorize, capture))

    rows = rows_for(change, partition=4, offset=17)

    assert [row.operation_id for row in rows.operations] == [authorize.id, capture.id]
    assert {row.payment_id for row in (rows.payment, *rows.operations)} == {change.payment_id}
    assert {(row.version, row.stream_partition, row.stream_offset) for row in (rows.payment, *rows.operations)} == {
        (3, 4, 17)
    }


def test_amounts_stay_whole_minor_units_and_times_keep_their_microseconds() -> None:
    rows = rows_for(a_change(amount=10**12, operations=(an_operation(amount=1),)), 0, 0)

    assert (rows.payment.amount, rows.operations[0].amount) == (10**12, 1)
    assert (rows.payment.created_at, rows.payment.updated_at) == (CREATED, CHANGED)
    assert not any(isinstance(value, float) for row in (rows.payment, *rows.operations) for value in astuple(row))


def test_what_is_not_known_is_an_empty_text() -> None:
    operation = an_operation(status=OperationStatus.PENDING, provider_ref=None)

    rows = rows_for(a_change(PaymentStatus.PENDING, operations=(operation,)), 0, 0)

    assert (rows.operations[0].reason, rows.operations[0].provider_ref, rows.payment.reason) == ("", "", "")


@pytest.mark.parametrize(
    "bad",
    [
        {"amount": 2**63},
        {"refunded": -1},
        {"created_at": datetime(2026, 11, 23, tzinfo=None)},  # noqa: DTZ001
        {"changed_at": datetime(9999, 1, 1, tzinfo=UTC)},
        {"operations": (an_operation(amount=2**64),)},
        {"items": (ItemView("film-1", "Stalker", 2**32, 1, "DIGITAL"),), "lines": (LineView("film-1", 0, 0),)},
    ],
)
def test_a_value_that_no_column_can_hold_is_refused_before_it_holds_up_others(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidMessage, match="does not fit"):
        rows_for(a_change(**bad), 0, 0)


SCHEMA = "\n".join(f"{statement};" for migration in read_migrations() for statement in migration.statements)


def added_to(table: str) -> str:
    """Name, type and predecessor of a column that a later migration added."""
    return rf"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS (\w+) (Map\([^)]*\)|\S+)[^;]*? AFTER (\w+);"


#: What a value is in Python → what its column may be.
KINDS = {
    UUID: "UUID",
    int: r"U?Int(32|64)",
    str: r"(LowCardinality\()?String\)?",
    datetime: r"DateTime64\(6, 'UTC'\)",
    datetime | None: r"Nullable\(DateTime64\(6, 'UTC'\)\)",
    date: "Date",
    date | None: r"Nullable\(Date\)",
    int | None: r"Nullable\(Int64\)",
    bool: "Bool",
    dict[str, int]: r"Map\(LowCardinality\(String\), UInt64\)",
    tuple[BookedTotalRow, ...]: r"Array\(Tuple\("
    + ", ".join(rf"{name} \S+" for name in BookedTotalRow.__struct_fields__)
    + r"\)\)",
    tuple[StatementTotalRow, ...]: r"Array\(Tuple\("
    + ", ".join(rf"{name} \S+" for name in StatementTotalRow.__struct_fields__)
    + r"\)\)",
    UUID | None: r"Nullable\(UUID\)",
    dict[str, str]: r"Map\(String, String\)",
}


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_have_the_columns_of_the_schema_and_their_types(table: str) -> None:
    (statement,) = [
        statement
        for migration in read_migrations()
        for statement in migration.statements
        if f"CREATE TABLE IF NOT EXISTS {table}\n" in statement
    ]
    body = statement[statement.index("(\n") : statement.index("\n)\n")]
    columns = dict(re.findall(r"^    (\w+) (.+?)(?: COMMENT .+)?,?$", body, re.MULTILINE))
    columns.pop("inserted_at")
    names = list(columns)
    for name, type, after in re.findall(added_to(table), SCHEMA, re.MULTILINE | re.DOTALL):
        names.insert(names.index(after) + 1, name)
        columns[name] = type

    fields = get_type_hints(TABLES[table])
    assert names == list(fields)
    for name, type in columns.items():
        assert re.fullmatch(KINDS[fields[name]], type), (name, type)


def test_a_subscription_s_change_is_a_row_of_what_it_is_and_one_of_the_change() -> None:
    world = active()
    (started,) = [d.event for d in world.decisions if d.event is not None and d.event.movement == "NEW"]
    rows = rows_for_subscription(started, 4, 17)

    s, change = rows.subscription, rows.change
    assert (s.subscription_id, s.version, s.status, s.life) == (world.subscription.id, 2, "ACTIVE", 1)
    assert (s.amount, s.arr, s.currency, s.interval_unit, s.interval_count) == (39_900, 478_800, "RUB", "MONTH", 1)
    assert (s.period, s.due_period, s.period_end_at) == (1, 2, started.period.end_at if started.period else None)
    assert (s.cancel_at, s.ended_at, s.end_reason) == (None, None, "")
    assert (change.status_before, change.status, change.movement) == ("INCOMPLETE", "ACTIVE", "NEW")
    assert (change.arr_before, change.arr_after, change.changed_at) == (0, 478_800, started.changed_at)
    assert {(r.stream_partition, r.stream_offset) for r in (s, change)} == {(4, 17)}


def test_periods_and_attempts_that_a_change_made_or_moved_are_rows() -> None:
    world = active()
    world.until_charge()
    decision = world.fail("insufficient_funds")
    assert decision.event is not None
    rows = rows_for_subscription(decision.event, 0, 0)
    (attempt,) = rows.attempts

    assert rows.periods == ()
    assert (attempt.period, attempt.number, attempt.purpose, attempt.trigger) == (2, 1, "RENEWAL", "SCHEDULE")
    assert (attempt.state, attempt.decline, attempt.reason) == ("FAILED", "SOFT", "insufficient_funds")
    assert (attempt.amount, attempt.ended_at) == (39_900, world.now)
    (period,) = rows_for_subscription(a_subscription_change(), 0, 0).periods
    assert (period.number, period.life, period.status, period.amount) == (1, 1, "PAID", 39_900)


@pytest.mark.parametrize(
    "bad",
    [
        {"arr_after": 2**63},
        {"life": 2**32},
        {"access_until": datetime(9999, 1, 1, tzinfo=UTC)},
        {"ended_at": datetime(2026, 11, 23, tzinfo=None)},  # noqa: DTZ001
        {"periods": (PeriodView(1, 1, CREATED, CHANGED, UUID(int=1), 2**63, "RUB", PeriodStatus.PAID, UUID(int=2)),)},
    ],
)
def test_a_subscription_s_value_that_no_column_can_hold_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidMessage, match="does not fit"):
        rows_for_subscription(a_subscription_change(**bad), 0, 0)


def test_products_entries_and_the_call_are_rows_of_their_own() -> None:
    operation = an_operation()
    posting = PostingView(
        UUID(int=7), operation.id, CHANGED, (EntryView("clearing:yandex-pay", 59_900), EntryView("revenue", -59_900))
    )
    call = CallView(operation.id, "yandex-pay", Action.CAPTURE, Outcome.SUCCEEDED, 12_345)
    lines = (LineView("film-1", 39_900, 0), LineView("film-2", 20_000, 500))

    rows = rows_for(a_change(operations=(operation,), postings=(posting,), call=call, lines=lines), 0, 0)

    assert [(r.product_id, r.amount, r.captured, r.refunded) for r in rows.items] == [
        ("film-1", 39_900, 39_900, 0),
        ("film-2", 20_000, 20_000, 500),
    ]
    assert [(r.posting_id.int, r.line, r.account, r.amount, r.currency) for r in rows.entries] == [
        (7, 0, "clearing:yandex-pay", 59_900, "RUB"),
        (7, 1, "revenue", -59_900, "RUB"),
    ]
    assert [(r.version, r.action, r.outcome, r.duration_us, r.ended_at) for r in rows.calls] == [
        (2, "CAPTURE", "SUCCEEDED", 12_345, CHANGED)
    ]


def test_what_was_ordered_and_not_sold_after_all_brought_in_nothing() -> None:
    rows = rows_for(a_change(captured=20_000, lines=(LineView("film-2", 20_000, 0),)), 0, 0)

    assert [(row.product_id, row.captured) for row in rows.items] == [("film-1", 0), ("film-2", 20_000)]


def test_an_event_of_an_earlier_release_has_rows_for_what_it_tells() -> None:
    rows = rows_for(a_change(), 0, 0)

    assert (rows.items, rows.entries, rows.calls) == ((), (), ())


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (OperationStatus.FAIL, "insufficient_funds", "issuer"),
        (OperationStatus.FAIL, "unsupported_currency", "provider"),
        (OperationStatus.FAIL, "expired", "abandoned"),
        (OperationStatus.FAIL, "rolled_back", "cancelled"),
        (OperationStatus.FAIL, "provider_disabled", "ours"),
        (OperationStatus.FAIL, "corrected: bank statement", "ours"),
        (OperationStatus.FAIL, "a_reason_of_the_next_release", "provider"),
        (OperationStatus.SUCCESS, "changed their mind", ""),
        (OperationStatus.PENDING, None, ""),
    ],
)
def test_a_failed_operation_has_the_kind_of_its_reason(status: OperationStatus, reason: str | None, kind: str) -> None:
    operation = an_operation(status=status, reason=reason)

    (row,) = rows_for(a_change(operations=(operation,)), 0, 0).operations

    assert (row.reason, row.reason_kind) == (reason or "", kind)
