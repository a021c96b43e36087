"""A payment's change as ClickHouse rows."""

import re
from datetime import UTC, datetime

import pytest

from analytics.migrate import read_migrations
from analytics.rows import COLUMN_TYPES, OperationRow, PaymentRow, rows_for
from billing.errors import InvalidMessage
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from tests.event_factories import CHANGED, CREATED, a_change, an_operation


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
    assert not any(isinstance(value, float) for row in (rows.payment, *rows.operations) for value in row)


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
    ],
)
def test_a_value_that_no_column_can_hold_is_refused_before_it_holds_up_others(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidMessage, match="does not fit"):
        rows_for(a_change(**bad), 0, 0)


@pytest.mark.parametrize(("table", "row"), [("operation_versions", OperationRow), ("payment_versions", PaymentRow)])
def test_the_rows_have_the_columns_of_the_schema_and_their_types(
    table: str, row: type[OperationRow] | type[PaymentRow]
) -> None:
    (statement,) = [
        statement
        for migration in read_migrations()
        for statement in migration.statements
        if f"CREATE TABLE IF NOT EXISTS {table}\n" in statement
    ]
    body = statement[statement.index("(\n") : statement.index("\n)\n")]
    columns = dict(re.findall(r"^    (\w+) (.+?)(?: COMMENT .+)?,?$", body, re.MULTILINE))
    columns.pop("inserted_at")

    assert columns == {name: COLUMN_TYPES[name] for name in row._fields}
