"""What finance is told, each once."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.clearing.discrepancies import HANDLING, Event, Kind, Severity, State
from billing.messages.clearing_events import DayCleared, DayClosed, DiscrepancyChanged, LostCallbacks
from billing.orders import SubscriptionRef
from billing.signals import BooksDay, Chargeback, Discrepancy, Signal, StatementMissing, signals_for
from billing.vocabulary import OperationStatus, OperationType, PaymentStatus
from tests.support.event_factories import CHANGED, a_change, a_discrepancy_change, an_operation

DAY = date(2026, 11, 22)


def keys(signals: tuple[Signal, ...]) -> list[str]:
    return [signal.routing_key for signal in signals]


@pytest.mark.parametrize("state", [State.OPEN, State.PERSON])
@pytest.mark.parametrize("kind", [k for k in Kind if HANDLING[k].severity is Severity.CRITICAL])
def test_a_critical_discrepancy_is_told_when_it_is_found(kind: Kind, state: State) -> None:
    found = a_discrepancy_change(kind, state)
    (signal,) = signals_for(found)
    assert signal.routing_key == "finance.discrepancy_found"
    assert (signal.type, signal.message_id) == (
        "billing.signals.finance.discrepancy_found.v1", f"{found.id}:1:finance.discrepancy_found",
    )  # fmt: skip
    assert (signal.payment_id, signal.occurred_at) == (found.id, found.changed_at)
    body = msgspec.to_builtins(signal.body)
    assert (body["kind"], body["severity"], body["state"], body["theirs"]) == (kind, "critical", state, 29_900)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.AMOUNT_DIFFERS, ["finance.discrepancy_found"]),
        (Kind.UNKNOWN_PAYMENT, ["finance.discrepancy_found"]),
        (Kind.UNCLASSIFIED_LINE, []),
        (Kind.LATE, []),
    ],
)
def test_a_discrepancy_is_told_when_a_person_has_to_decide_unless_it_can_wait(kind: Kind, expected: list[str]) -> None:
    asked = a_discrepancy_change(kind, State.PERSON, version=4, previous_state=State.OPEN, previous_kind=kind)
    assert keys(signals_for(asked)) == expected


@pytest.mark.parametrize(
    "change",
    [
        a_discrepancy_change(Kind.AMOUNT_DIFFERS, State.OPEN),
        a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.OPEN, previous_state=State.OPEN, event=Event.CLAIMED),
        a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.PERSON, previous_state=State.PERSON, event=Event.CLAIMED),
        a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.RESOLVED, previous_state=State.PERSON),
        a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.CLOSED, previous_state=State.OPEN),
    ],
)
def test_nobody_is_told_of_what_they_know_or_what_payments_still_ask_about(change: DiscrepancyChanged) -> None:
    assert signals_for(change) == ()


def test_a_discrepancy_that_gets_a_worse_name_or_opens_again_is_told_again() -> None:
    worse = a_discrepancy_change(
        Kind.TAKEN_TWICE, State.OPEN, version=2, previous_state=State.OPEN, previous_kind=Kind.AMOUNT_DIFFERS
    )
    again = a_discrepancy_change(Kind.TAKEN_TWICE, State.OPEN, version=5, previous_state=State.CLOSED)
    assert keys(signals_for(worse)) == keys(signals_for(again)) == ["finance.discrepancy_found"]


def test_a_missing_statement_is_told_once_whatever_the_provider_answers_later() -> None:
    missing = a_discrepancy_change(Kind.STATEMENT_MISSING, State.PERSON)
    (signal,) = signals_for(missing)
    assert signal.routing_key == "finance.statement_missing"
    assert signal.body == StatementMissing(missing.id, "tbank", DAY, missing.due_at)
    assert signals_for(a_discrepancy_change(Kind.STATEMENT_MISSING, State.PERSON, previous_state=State.PERSON)) == ()


def test_a_closed_day_is_told() -> None:
    closed = DayClosed(
        id=UUID(int=9), version=1, changed_at=CHANGED, accounting_date=DAY, closed_by="ann", reason="explained", entries=3,
        hash="ab",
    )  # fmt: skip
    (signal,) = signals_for(closed)
    assert (signal.routing_key, signal.message_id) == (
        "finance.day_closed", f"{closed.id}:1:finance.day_closed",
    )  # fmt: skip
    assert signal.body == BooksDay(DAY, "ann", 3, "ab")


@pytest.mark.parametrize("subscription", [None, SubscriptionRef(UUID(int=1), 1, 1, "RENEWAL")])
@pytest.mark.parametrize("type", [OperationType.CHARGEBACK, OperationType.CHARGEBACK_UNDONE])
def test_a_chargeback_is_told_when_its_payment_books_it_also_of_a_subscription(
    type: OperationType, subscription: SubscriptionRef | None
) -> None:
    operation = an_operation(type, amount=100, provider_ref="dispute-1")
    change = a_change(previous_status=PaymentStatus.CAPTURED, operations=(operation,), subscription=subscription)
    (signal,) = [s for s in signals_for(change) if s.routing_key == "finance.chargeback"]
    assert signal.message_id == f"{operation.id}:{change.version}:finance.chargeback"
    assert isinstance(signal.body, Chargeback)
    assert (signal.body.amount, signal.body.provider_ref, signal.body.undone) == (
        100, "dispute-1", type is OperationType.CHARGEBACK_UNDONE,
    )  # fmt: skip


def test_other_operations_are_no_chargebacks() -> None:
    refund = an_operation(OperationType.REFUND)
    failed = an_operation(OperationType.CHARGEBACK, status=OperationStatus.FAIL)
    signals = signals_for(a_change(operations=(refund, failed)))
    assert "finance.chargeback" not in keys(signals)


def test_a_day_that_was_cleared_and_lost_callbacks_are_no_signals() -> None:
    about: dict[str, Any] = {
        "id": UUID(int=1), "version": 1, "changed_at": datetime(2026, 11, 23, tzinfo=UTC), "provider": "tbank",
        "business_date": DAY,
    }  # fmt: skip
    assert signals_for(DayCleared(**about, state="done", lines=1, loose=0)) == ()
    assert signals_for(LostCallbacks(**about, learnt_by={"inquiry": 3})) == ()


def test_a_discrepancy_s_signal_has_what_somebody_needs_to_find_it() -> None:
    found = a_discrepancy_change(Kind.UNKNOWN_PAYMENT, State.OPEN)
    (signal,) = signals_for(found)
    assert isinstance(signal.body, Discrepancy)
    assert (signal.body.discrepancy_id, signal.body.provider, signal.body.business_date, signal.body.due_at) == (
        found.id, found.provider, found.business_date, found.due_at,
    )  # fmt: skip
