"""A payment's change as rows of ``operation_versions`` and ``payment_versions``. Pure."""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from billing.errors import InvalidMessage
from billing.messages import OperationView, PaymentChanged

#: ClickHouse keeps DateTime64(6) in these years; past them the bits wrap around silently.
_YEARS: Final = range(1970, 2200)
_INT64_MAX: Final = 2**63 - 1


class OperationRow(NamedTuple):
    """One row of ``operation_versions``; the fields are its columns."""

    operation_id: UUID
    payment_id: UUID
    version: int
    type: str
    status: str
    amount: int
    currency: str
    provider: str
    capture_mode: str
    customer_id: str
    order_id: UUID
    client_id: str
    payment_status: str
    reason: str
    provider_ref: str
    created_at: datetime
    updated_at: datetime
    stream_partition: int
    stream_offset: int


class PaymentRow(NamedTuple):
    """One row of ``payment_versions``; the fields are its columns."""

    payment_id: UUID
    version: int
    status: str
    amount: int
    authorized: int
    captured: int
    refunded: int
    currency: str
    provider: str
    capture_mode: str
    customer_id: str
    order_id: UUID
    client_id: str
    reason: str
    created_at: datetime
    updated_at: datetime
    stream_partition: int
    stream_offset: int


#: Column → its ClickHouse type, so that an insert need not ask the server first.
COLUMN_TYPES: Final[dict[str, str]] = {
    "operation_id": "UUID",
    "payment_id": "UUID",
    "order_id": "UUID",
    "version": "UInt64",
    "amount": "Int64",
    "authorized": "Int64",
    "captured": "Int64",
    "refunded": "Int64",
    "type": "LowCardinality(String)",
    "status": "LowCardinality(String)",
    "payment_status": "LowCardinality(String)",
    "currency": "LowCardinality(String)",
    "provider": "LowCardinality(String)",
    "capture_mode": "LowCardinality(String)",
    "client_id": "LowCardinality(String)",
    "reason": "LowCardinality(String)",
    "customer_id": "String",
    "provider_ref": "String",
    "created_at": "DateTime64(6, 'UTC')",
    "updated_at": "DateTime64(6, 'UTC')",
    "stream_partition": "UInt32",
    "stream_offset": "UInt64",
}


class EventRows(NamedTuple):
    """The rows of one event."""

    payment: PaymentRow
    operations: tuple[OperationRow, ...]


def rows_for(event: PaymentChanged, partition: int, offset: int) -> EventRows:
    """The rows of an event that stands at ``offset`` of ``partition``.

    Raises :class:`~billing.errors.InvalidMessage` for a value that no column can hold: a row that ClickHouse must
    refuse would hold up every row behind it.
    """
    payment = PaymentRow(
        payment_id=event.payment_id,
        version=event.version,
        status=event.status.value,
        amount=event.amount,
        authorized=event.authorized,
        captured=event.captured,
        refunded=event.refunded,
        currency=event.currency,
        provider=event.provider,
        capture_mode=event.capture_mode.value,
        customer_id=event.customer_id,
        order_id=event.order_id,
        client_id=event.client_id,
        reason=event.reason or "",
        created_at=event.created_at,
        updated_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )
    rows = EventRows(payment, tuple(_operation(event, operation, partition, offset) for operation in event.operations))
    _check(rows.payment)
    for row in rows.operations:
        _check(row)
    return rows


def _operation(event: PaymentChanged, operation: OperationView, partition: int, offset: int) -> OperationRow:
    return OperationRow(
        operation_id=operation.id,
        payment_id=event.payment_id,
        version=event.version,
        type=operation.type.value,
        status=operation.status.value,
        amount=operation.amount,
        currency=event.currency,
        provider=event.provider,
        capture_mode=event.capture_mode.value,
        customer_id=event.customer_id,
        order_id=event.order_id,
        client_id=event.client_id,
        payment_status=event.status.value,
        reason=operation.reason or "",
        provider_ref=operation.provider_ref or "",
        created_at=operation.created_at,
        updated_at=operation.updated_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _check(row: PaymentRow | OperationRow) -> None:
    for column, value in row._asdict().items():
        if not _fits(value):
            raise InvalidMessage(f"{column} does not fit its column: {value!r}")


def _fits(value: Any) -> bool:
    match value:
        case int():
            return 0 <= value <= _INT64_MAX
        case datetime():
            return value.tzinfo is not None and value.year in _YEARS
        case _:
            return True
