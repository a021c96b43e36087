"""A subscription's change as rows of the ``*_versions`` tables. Pure."""

from datetime import datetime
from typing import NamedTuple

from analytics.limits import INT64_END, UINT32_END, check_time, misfit
from analytics.rows import AttemptRow, ChangeRow, PeriodRow, SubscriptionRow
from billing.messages.subscription_events import AttemptView, PeriodView, SubscriptionChanged
from billing.subscriptions.model import due_after


class SubscriptionRows(NamedTuple):
    """The rows of one event of a subscription."""

    subscription: SubscriptionRow
    change: ChangeRow
    periods: tuple[PeriodRow, ...]
    attempts: tuple[AttemptRow, ...]


def rows_for_subscription(event: SubscriptionChanged, partition: int, offset: int) -> SubscriptionRows:
    """The rows of the event at ``offset`` of ``partition``. Raises :class:`~billing.errors.InvalidMessage` for a value that
    no column can hold."""
    _check(event)
    return SubscriptionRows(
        _subscription(event, partition, offset),
        _change(event, partition, offset),
        tuple([_period(event, period) for period in event.periods]),
        tuple([_attempt(event, attempt) for attempt in event.attempts]),
    )


def _subscription(event: SubscriptionChanged, partition: int, offset: int) -> SubscriptionRow:
    price, period = event.price, event.period
    return SubscriptionRow(
        subscription_id=event.subscription_id,
        version=event.version,
        status=str(event.status),
        life=event.life,
        client_id=event.client_id,
        customer_id=event.customer_id,
        plan=price.plan,
        plan_group=price.group,
        price_id=price.id,
        amount=price.amount,
        currency=price.currency,
        interval_unit=str(price.cadence.unit),
        interval_count=price.cadence.count,
        arr=event.arr_after,
        provider=event.provider,
        period=0 if period is None else period.number,
        period_end_at=None if period is None else period.end_at,
        due_period=due_after(period),
        access_until=event.access_until,
        cancel_at=event.cancel_at,
        ended_at=event.ended_at,
        end_reason=event.end_reason or "",
        clock_id=event.clock_id,
        metadata=event.metadata,
        created_at=event.created_at,
        updated_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _change(event: SubscriptionChanged, partition: int, offset: int) -> ChangeRow:
    price = event.price
    return ChangeRow(
        subscription_id=event.subscription_id,
        version=event.version,
        client_id=event.client_id,
        customer_id=event.customer_id,
        life=event.life,
        plan=price.plan,
        price_id=price.id,
        currency=price.currency,
        interval_unit=str(price.cadence.unit),
        interval_count=price.cadence.count,
        status_before=event.previous_status or "",
        status=str(event.status),
        movement=event.movement or "",
        arr_before=event.arr_before,
        arr_after=event.arr_after,
        end_reason=event.end_reason or "",
        access_until=event.access_until,
        changed_at=event.changed_at,
        stream_partition=partition,
        stream_offset=offset,
    )


def _period(event: SubscriptionChanged, period: PeriodView) -> PeriodRow:
    return PeriodRow(
        subscription_id=event.subscription_id,
        number=period.number,
        version=event.version,
        life=period.life,
        client_id=event.client_id,
        customer_id=event.customer_id,
        plan=event.price.plan,
        price_id=period.price_id,
        amount=period.amount,
        currency=period.currency,
        status=str(period.status),
        paid_by=period.paid_by,
        start_at=period.start_at,
        end_at=period.end_at,
        created_at=event.created_at,
    )


def _attempt(event: SubscriptionChanged, attempt: AttemptView) -> AttemptRow:
    return AttemptRow(
        payment_id=attempt.payment_id,
        subscription_id=event.subscription_id,
        version=event.version,
        client_id=event.client_id,
        customer_id=event.customer_id,
        plan=event.price.plan,
        period=attempt.period,
        number=attempt.number,
        purpose=str(attempt.purpose),
        trigger=str(attempt.trigger),
        state=str(attempt.state),
        decline=attempt.decline or "",
        reason=attempt.reason or "",
        amount=attempt.amount,
        currency=attempt.currency,
        provider=attempt.provider,
        method_id=attempt.method_id,
        requested_at=attempt.requested_at,
        ended_at=attempt.ended_at,
    )


def _check(event: SubscriptionChanged) -> None:
    for number in (event.version, event.price.amount, event.arr_before, event.arr_after):
        _check_range("an amount or the version", number, INT64_END)
    _check_range("the life", event.life, UINT32_END)
    _check_range("the interval", event.price.cadence.count, UINT32_END)
    _check_times(event.created_at, event.changed_at, event.access_until, event.cancel_at, event.ended_at)
    for period in event.periods if event.period is None else (event.period, *event.periods):
        _check_range("a period's amount", period.amount, INT64_END)
        _check_range("a period's number", max(period.number, period.life), UINT32_END)
        _check_times(period.start_at, period.end_at)
    for attempt in event.attempts:
        _check_range("an attempt's amount", attempt.amount, INT64_END)
        _check_range("an attempt's number", max(attempt.number, attempt.period), UINT32_END)
        _check_times(attempt.requested_at, attempt.ended_at)


def _check_range(what: str, number: int, end: int) -> None:
    if not 0 <= number < end:
        raise misfit(what, number)


def _check_times(*times: datetime | None) -> None:
    for time in times:
        if time is not None:
            check_time(time)
