"""A payment's change as rows of the ``*_versions`` tables. Pure."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from analytics.limits import INT64_END, UINT32_END, check_time, misfit
from analytics.rows import (
    CallRow,
    ClearingDayRow,
    ClearingRow,
    DiscrepancyRow,
    EntryRow,
    ItemRow,
    LostCallbackRow,
    OperationRow,
    PaymentRow,
    PayoutRow,
    Row,
)
from analytics.translate_subscription import SubscriptionRows
from billing.messages import OperationView, PaymentChanged
from billing.reasons import Reason
from billing.vocabulary import OperationStatus


class EventRows(NamedTuple):
    """The rows of one event of a payment."""

    payment: PaymentRow
    operations: tuple[OperationRow, ...]
    items: tuple[ItemRow, ...]
    entries: tuple[EntryRow, ...]
    calls: tuple[CallRow, ...]


def by_table(events: Iterable[EventRows | SubscriptionRows | ClearingRow | None]) -> dict[str, list[Row]]:
    """The rows of many events, by table."""
    payments: list[EventRows] = []
    subscriptions: list[SubscriptionRows] = []
    clearing: list[ClearingRow] = []
    for rows in events:
        if isinstance(rows, EventRows):
            payments.append(rows)
        elif isinstance(rows, SubscriptionRows):
            subscriptions.append(rows)
        elif rows is not None:
            clearing.append(rows)
    return {
        "operation_versions": list(chain.from_iterable(rows.operations for rows in payments)),
        "payment_versions": [rows.payment for rows in payments],
        "payment_item_versions": list(chain.from_iterable(rows.items for rows in payments)),
        "ledger_entry_versions": list(chain.from_iterable(rows.entries for rows in payments)),
        "provider_call_versions": list(chain.from_iterable(rows.calls for rows in payments)),
        "subscription_versions": [rows.subscription for rows in subscriptions],
        "subscription_change_versions": [rows.change for rows in subscriptions],
        "subscription_period_versions": list(chain.from_iterable(rows.periods for rows in subscriptions)),
        "renewal_attempt_versions": list(chain.from_iterable(rows.attempts for rows in subscriptions)),
        "clearing_day_versions": [row for row in clearing if isinstance(row, ClearingDayRow)],
        "discrepancy_versions": [row for row in clearing if isinstance(row, DiscrepancyRow)],
        "payout_versions": [row for row in clearing if isinstance(row, PayoutRow)],
        "lost_callback_versions": [row for row in clearing if isinstance(row, LostCallbackRow)],
    }


def rows_for(event: PaymentChanged, partition: int, offset: int) -> EventRows:
    """The rows of the event at ``offset`` of ``partition``.

    Raises :class:`~billing.errors.InvalidMessage` for a value that no column can hold: a row that ClickHouse refuses
    would make the sink bisect the whole batch.
    """
    _check(event)
    return EventRows(
        _payment(event, partition, offset),
        tuple([_operation(event, operation, partition, offset) for operation in event.operations]),
        tuple(_items(event)),
        tuple(_entries(event)),
        tuple(_calls(event)),
    )


def _payment(event: PaymentChanged, partition: int, offset: int) -> PaymentRow:
    return PaymentRow(
        payment_id=event.payment_id,
        version=event.version,
        status=str(event.status),
        amount=event.amount,
        authorized=event.authorized,
        captured=event.captured,
        refunded=event.refunded,
        currency=event.currency,
        provider=event.provider,
        capture_mode=str(event.capture_mode),
        customer_id=event.customer_id,
        order_id=event.order_id,
        client_id=event.client_id,
        metadata=event.metadata,
        reason=event.reason or "",
        created_at=event.created_at,
        updated_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _operation(event: PaymentChanged, operation: OperationView, partition: int, offset: int) -> OperationRow:
    return OperationRow(
        operation_id=operation.id,
        payment_id=event.payment_id,
        version=event.version,
        type=str(operation.type),
        status=str(operation.status),
        amount=operation.amount,
        currency=event.currency,
        provider=operation.provider or event.provider,
        capture_mode=str(event.capture_mode),
        customer_id=event.customer_id,
        order_id=event.order_id,
        client_id=event.client_id,
        payment_status=str(event.status),
        reason=operation.reason or "",
        reason_kind=Reason.of(operation.reason or "").kind.value if operation.status is OperationStatus.FAIL else "",
        provider_ref=operation.provider_ref or "",
        created_at=operation.created_at,
        updated_at=operation.updated_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _items(event: PaymentChanged) -> Iterator[ItemRow]:
    """One row per product of the order. An event of an earlier release has no revenue by product: no rows."""
    sold = {line.product_id: line for line in event.lines}
    for item in event.items if event.lines else ():
        line = sold.get(item.product_id)
        yield ItemRow(
            payment_id=event.payment_id,
            product_id=item.product_id,
            version=event.version,
            title=item.title,
            quantity=item.quantity,
            amount=item.quantity * item.unit_price,
            captured=0 if line is None else line.captured,
            refunded=0 if line is None else line.refunded,
            currency=event.currency,
            provider=event.provider,
            customer_id=event.customer_id,
            created_at=event.created_at,
        )


def _entries(event: PaymentChanged) -> Iterator[EntryRow]:
    for posting in event.postings:
        for line, entry in enumerate(posting.entries):
            yield EntryRow(
                posting_id=posting.id,
                line=line,
                version=event.version,
                account=entry.account,
                amount=entry.amount,
                currency=event.currency,
                provider=event.provider,
                payment_id=event.payment_id,
                operation_id=posting.operation_id,
                posted_at=posting.posted_at,
            )


def _calls(event: PaymentChanged) -> Iterator[CallRow]:
    if (call := event.call) is not None:
        yield CallRow(
            payment_id=event.payment_id,
            version=event.version,
            operation_id=call.operation_id,
            provider=call.provider,
            action=str(call.action),
            outcome=str(call.outcome),
            reason=call.reason or "",
            reason_kind=Reason.of(call.reason).kind.value if call.reason else "",
            duration_us=call.duration_us,
            ended_at=event.changed_at,
        )


def _check(event: PaymentChanged) -> None:
    # Each value once, however many rows contain it, and without a function call for values that fit: this is the hot
    # path of a backfill.
    end = INT64_END
    if not (
        0 <= event.amount < end
        and 0 <= event.authorized < end
        and 0 <= event.captured < end
        and 0 <= event.refunded < end
        and 0 <= event.version < end
    ):
        raise misfit("an amount or the version", event.payment_id)
    check_time(event.created_at)
    check_time(event.changed_at)
    for operation in event.operations:
        if not 0 <= operation.amount < end:
            raise misfit("an operation's amount", operation.amount)
        check_time(operation.created_at)
        check_time(operation.updated_at)
    if event.call is not None and not 0 <= event.call.duration_us < end:
        raise misfit("a call's duration", event.call.duration_us)
    _check_sold(event)
    _check_postings(event)


def _check_sold(event: PaymentChanged) -> None:
    for item in event.items:
        if not 0 <= item.quantity < UINT32_END or not 0 <= item.quantity * item.unit_price < INT64_END:
            raise misfit("an item's quantity or amount", item.product_id)
    for line in event.lines:
        if not (0 <= line.captured < INT64_END and 0 <= line.refunded < INT64_END):
            raise misfit("a line's amounts", line.product_id)


def _check_postings(event: PaymentChanged) -> None:
    for posting in event.postings:
        check_time(posting.posted_at)
        for entry in posting.entries:
            if not -INT64_END <= entry.amount < INT64_END:
                raise misfit("an entry's amount", entry.amount)
