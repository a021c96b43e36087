"""The rows of the ``*_versions`` tables, one type per table. A row's fields are the table's columns; it is sent as a JSON
array."""

from datetime import date, datetime
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


class SubscriptionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``subscription_versions``."""

    subscription_id: UUID
    version: int
    status: str
    life: int
    client_id: str
    customer_id: str
    plan: str
    plan_group: str
    price_id: UUID
    amount: int
    currency: str
    interval_unit: str
    interval_count: int
    arr: int
    provider: str
    period: int
    period_end_at: datetime | None
    due_period: int
    access_until: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    clock_id: UUID | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    stream_partition: int
    stream_offset: int


class ChangeRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``subscription_change_versions``."""

    subscription_id: UUID
    version: int
    client_id: str
    customer_id: str
    life: int
    plan: str
    price_id: UUID
    currency: str
    interval_unit: str
    interval_count: int
    status_before: str
    status: str
    movement: str
    arr_before: int
    arr_after: int
    end_reason: str
    access_until: datetime | None
    changed_at: datetime
    stream_partition: int
    stream_offset: int


class PeriodRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``subscription_period_versions``."""

    subscription_id: UUID
    number: int
    version: int
    life: int
    client_id: str
    customer_id: str
    plan: str
    price_id: UUID
    amount: int
    currency: str
    status: str
    paid_by: UUID
    start_at: datetime
    end_at: datetime
    created_at: datetime


class AttemptRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``renewal_attempt_versions``."""

    payment_id: UUID
    subscription_id: UUID
    version: int
    client_id: str
    customer_id: str
    plan: str
    period: int
    number: int
    purpose: str
    trigger: str
    state: str
    decline: str
    reason: str
    amount: int
    currency: str
    provider: str
    method_id: UUID | None
    requested_at: datetime
    ended_at: datetime | None


class BookedTotalRow(msgspec.Struct, frozen=True, gc=False):
    """An element of ``booked`` in ``clearing_day_versions``."""

    currency: str
    movements: int
    amount: int


class StatementTotalRow(msgspec.Struct, frozen=True, gc=False):
    """An element of ``stated`` in ``clearing_day_versions``."""

    kind: str
    method: str
    currency: str
    settlement_currency: str
    delay_days: int | None
    lines: int
    amount: int
    settled: int
    fee: int | None


class ClearingDayRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``clearing_day_versions``."""

    provider: str
    business_date: date
    version: int
    state: str
    reason: str
    lines: int
    loose: int
    booked: tuple[BookedTotalRow, ...]
    stated: tuple[StatementTotalRow, ...]
    changed_at: datetime
    stream_partition: int
    stream_offset: int


class DiscrepancyRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``discrepancy_versions``."""

    discrepancy_id: UUID
    version: int
    provider: str
    business_date: date
    subject: str
    kind: str
    severity: str
    state: str
    resolution: str
    owner: str
    payment_id: UUID | None
    operation_id: UUID | None
    currency: str
    ours: int | None
    theirs: int | None
    difference: int
    asked: int
    due_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    changed_at: datetime
    stream_partition: int
    stream_offset: int


class PayoutRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``payout_versions``."""

    payout_line_id: UUID
    version: int
    provider: str
    business_date: date
    kind: str
    payout_ref: str
    line: str
    currency: str
    amount: int
    fee: int | None
    withdrawn: bool
    at: datetime
    available_on: date | None
    changed_at: datetime
    stream_partition: int
    stream_offset: int


class LostCallbackRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of ``lost_callback_versions``."""

    provider: str
    business_date: date
    version: int
    learnt_by: dict[str, int]
    changed_at: datetime
    stream_partition: int
    stream_offset: int


ClearingRow = ClearingDayRow | DiscrepancyRow | PayoutRow | LostCallbackRow

Row = (
    OperationRow
    | PaymentRow
    | ItemRow
    | EntryRow
    | CallRow
    | StreamRow
    | SubscriptionRow
    | ChangeRow
    | PeriodRow
    | AttemptRow
    | ClearingRow
)

#: Table → the type of its rows.
TABLES: Final[dict[str, type[Row]]] = {
    "operation_versions": OperationRow,
    "payment_versions": PaymentRow,
    "payment_item_versions": ItemRow,
    "ledger_entry_versions": EntryRow,
    "provider_call_versions": CallRow,
    "stream_metric_versions": StreamRow,
    "subscription_versions": SubscriptionRow,
    "subscription_change_versions": ChangeRow,
    "subscription_period_versions": PeriodRow,
    "renewal_attempt_versions": AttemptRow,
    "clearing_day_versions": ClearingDayRow,
    "discrepancy_versions": DiscrepancyRow,
    "payout_versions": PayoutRow,
    "lost_callback_versions": LostCallbackRow,
}
