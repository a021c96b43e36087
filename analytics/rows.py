"""The rows of the ``*_versions`` tables, one type per table. A row's fields are the table's columns; it is sent as a JSON
array."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec


class OperationRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``operation_versions``."""

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
    reason_kind: str
    provider_ref: str
    created_at: datetime
    updated_at: datetime
    stream_partition: int
    stream_offset: int


class PaymentRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``payment_versions``."""

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
    metadata: dict[str, str]
    reason: str
    created_at: datetime
    updated_at: datetime
    stream_partition: int
    stream_offset: int


class ItemRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``payment_item_versions``."""

    payment_id: UUID
    product_id: str
    version: int
    title: str
    quantity: int
    amount: int
    captured: int
    refunded: int
    currency: str
    provider: str
    customer_id: str
    created_at: datetime


class EntryRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``ledger_entry_versions``."""

    posting_id: UUID
    line: int
    version: int
    account: str
    amount: int
    currency: str
    provider: str
    payment_id: UUID
    operation_id: UUID
    posted_at: datetime


class CallRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``provider_call_versions``."""

    payment_id: UUID
    version: int
    operation_id: UUID
    provider: str
    action: str
    outcome: str
    reason: str
    reason_kind: str
    duration_us: int
    ended_at: datetime


class StreamRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``stream_metric_versions``."""

    topic: str
    stream_partition: int
    first_offset: int
    next_offset: int
    events: int
    oldest_at: datetime
    newest_at: datetime
    delivered_at: datetime


Row = OperationRow | PaymentRow | ItemRow | EntryRow | CallRow | StreamRow

#: Table → the type of its rows.
TABLES: Final[dict[str, type[Row]]] = {
    "operation_versions": OperationRow,
    "payment_versions": PaymentRow,
    "payment_item_versions": ItemRow,
    "ledger_entry_versions": EntryRow,
    "provider_call_versions": CallRow,
    "stream_metric_versions": StreamRow,
}
