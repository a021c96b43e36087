"""The signals of clearing, for those who look after the money: queue ``finance.clearing``."""

from typing import Final

from billing.clearing.discrepancies import Kind, Severity, State
from billing.messages.clearing_events import ClearingMessage, DayClosed, DiscrepancyChanged
from billing.messages.events import OperationView, PaymentChanged
from billing.signals.bodies import (
    CHARGEBACK_KEY,
    DAY_CLOSED_KEY,
    DISCREPANCY_FOUND_KEY,
    STATEMENT_MISSING_KEY,
    BooksDay,
    Chargeback,
    Discrepancy,
    Signal,
    StatementMissing,
    signal_type,
)
from billing.vocabulary import OperationStatus, OperationType

_CHARGEBACKS: Final = (OperationType.CHARGEBACK, OperationType.CHARGEBACK_UNDONE)


def signals_for_clearing(event: ClearingMessage) -> tuple[Signal, ...]:
    """The signals that one event of clearing causes. The same event gives the same signals with the same ids."""
    match event:
        case DiscrepancyChanged() if not _is_new(event):
            return ()
        case DiscrepancyChanged() if event.kind is Kind.STATEMENT_MISSING:
            return (_statement_missing(event),)
        case DiscrepancyChanged():
            return (_discrepancy(event),) if _needs_somebody(event) else ()
        case DayClosed():
            body = BooksDay(event.accounting_date, event.closed_by, event.entries, event.hash)
            return (_signal(event, DAY_CLOSED_KEY, body),)
        case _:
            return ()


def chargebacks_of(event: PaymentChanged) -> tuple[Signal, ...]:
    """One signal for each chargeback that a payment booked, and for each that came back."""
    return tuple(
        Signal(
            routing_key=CHARGEBACK_KEY,
            # A payment may book several at once.
            message_id=f"{operation.id}:{event.version}:{CHARGEBACK_KEY}",
            type=signal_type(CHARGEBACK_KEY),
            payment_id=event.payment_id,
            occurred_at=event.changed_at,
            body=_chargeback(event, operation),
        )
        for operation in event.operations
        if operation.type in _CHARGEBACKS and operation.status is OperationStatus.SUCCESS
    )


def _is_new(event: DiscrepancyChanged) -> bool:
    """Whether it is not settled, and this event brought it into its state or gave it its name there."""
    known = (event.previous_state, event.previous_kind) == (event.state, event.kind)
    return event.state in (State.OPEN, State.PERSON) and not known


def _needs_somebody(event: DiscrepancyChanged) -> bool:
    """A person has to decide soon; or it is so bad that they should know before."""
    return event.severity is Severity.CRITICAL or (event.severity is Severity.HIGH and event.state is State.PERSON)


def _discrepancy(event: DiscrepancyChanged) -> Signal:
    body = Discrepancy(
        discrepancy_id=event.id,
        version=event.version,
        provider=event.provider,
        business_date=event.business_date,
        kind=event.kind,
        severity=event.severity,
        state=event.state,
        payment_id=event.payment_id,
        operation_id=event.operation_id,
        currency=event.currency,
        ours=event.ours,
        theirs=event.theirs,
        due_at=event.due_at,
    )
    return _signal(event, DISCREPANCY_FOUND_KEY, body)


def _statement_missing(event: DiscrepancyChanged) -> Signal:
    body = StatementMissing(event.id, event.provider, event.business_date, event.due_at)
    return _signal(event, STATEMENT_MISSING_KEY, body)


def _chargeback(event: PaymentChanged, operation: OperationView) -> Chargeback:
    return Chargeback(
        payment_id=event.payment_id,
        operation_id=operation.id,
        order_id=event.order_id,
        customer_id=event.customer_id,
        provider=operation.provider or event.provider,
        provider_ref=operation.provider_ref,
        amount=operation.amount,
        currency=event.currency,
        undone=operation.type is OperationType.CHARGEBACK_UNDONE,
    )


def _signal(event: ClearingMessage, routing_key: str, body: Discrepancy | StatementMissing | BooksDay) -> Signal:
    return Signal(
        routing_key=routing_key,
        message_id=f"{event.id}:{event.version}:{routing_key}",
        type=signal_type(routing_key),
        payment_id=event.id,
        occurred_at=event.changed_at,
        body=body,
    )
