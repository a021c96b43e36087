"""An event of clearing as rows of the ``*_versions`` tables. Pure."""

from datetime import datetime

from analytics.limits import INT64_END, check_time, misfit
from analytics.rows import (
    BookedTotalRow,
    ClearingDayRow,
    ClearingRow,
    DiscrepancyRow,
    LostCallbackRow,
    PayoutRow,
    StatementTotalRow,
)
from billing.messages.clearing_events import (
    ClearingMessage,
    DayCleared,
    DiscrepancyChanged,
    LostCallbacks,
    PayoutStated,
)


def row_for_clearing(event: ClearingMessage, partition: int, offset: int) -> ClearingRow | None:
    """The row of the event at ``offset`` of ``partition``; ``None`` for the close of a day of the books, which no report
    reads. Raises :class:`~billing.errors.InvalidMessage` for a value that no column can hold."""
    check_time(event.changed_at)
    match event:
        case DayCleared():
            return _day(event, partition, offset)
        case DiscrepancyChanged():
            return _discrepancy(event, partition, offset)
        case PayoutStated():
            return _payout(event, partition, offset)
        case LostCallbacks():
            return LostCallbackRow(
                event.provider, event.business_date, event.version, event.learnt_by, event.changed_at, partition, offset
            )
        case _:
            return None


def _day(event: DayCleared, partition: int, offset: int) -> ClearingDayRow:
    _check_amounts(*(total.amount for total in event.booked))
    for total in event.stated:
        _check_amounts(total.amount, total.settled, total.fee)
    return ClearingDayRow(
        provider=event.provider,
        business_date=event.business_date,
        version=event.version,
        state=event.state,
        reason=event.reason or "",
        lines=event.lines,
        loose=event.loose,
        booked=tuple([BookedTotalRow(t.currency, t.movements, t.amount) for t in event.booked]),
        stated=tuple(
            [
                StatementTotalRow(
                    t.kind, t.method or "", t.currency, t.settlement_currency, t.delay_days, t.lines, t.amount, t.settled,
                    t.fee,
                )
                for t in event.stated
            ]
        ),
        changed_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )  # fmt: skip


def _discrepancy(event: DiscrepancyChanged, partition: int, offset: int) -> DiscrepancyRow:
    difference = (event.theirs or 0) - (event.ours or 0)
    _check_amounts(event.ours, event.theirs, difference)
    _check_times(event.opened_at, event.due_at, event.closed_at)
    return DiscrepancyRow(
        discrepancy_id=event.id,
        version=event.version,
        provider=event.provider,
        business_date=event.business_date,
        subject=event.subject,
        kind=str(event.kind),
        severity=str(event.severity),
        state=str(event.state),
        resolution=event.resolution or "",
        owner=event.owner or "",
        payment_id=event.payment_id,
        operation_id=event.operation_id,
        currency=event.currency or "",
        ours=event.ours,
        theirs=event.theirs,
        difference=difference,
        asked=event.asked,
        due_at=event.due_at,
        opened_at=event.opened_at,
        closed_at=event.closed_at,
        changed_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _payout(event: PayoutStated, partition: int, offset: int) -> PayoutRow:
    _check_amounts(event.amount, event.fee)
    _check_times(event.at)
    return PayoutRow(
        payout_line_id=event.id,
        version=event.version,
        provider=event.provider,
        business_date=event.business_date,
        kind=event.kind,
        payout_ref=event.payout_ref or "",
        line=event.line,
        currency=event.currency,
        amount=event.amount,
        fee=event.fee,
        withdrawn=event.withdrawn,
        at=event.at,
        available_on=event.available_on,
        changed_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _check_amounts(*amounts: int | None) -> None:
    for amount in amounts:
        if amount is not None and not -INT64_END <= amount < INT64_END:
            raise misfit("an amount", amount)


def _check_times(*times: datetime | None) -> None:
    for time in times:
        if time is not None:
            check_time(time)
