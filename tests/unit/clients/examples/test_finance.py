"""A task for each signal to finance."""

from datetime import date
from uuid import UUID

import pytest

from billing.clearing.discrepancies import Kind, Severity, State
from billing.signals import FINANCE_BODIES, BooksDay, Chargeback, Discrepancy, StatementMissing
from clients.examples.finance_consumer import Body, Tasks, task

ID, DAY = UUID(int=7), date(2026, 11, 22)
BODIES: list[tuple[Body, str]] = [
    (
        Discrepancy(
            ID, 1, "tbank", DAY, Kind.UNKNOWN_PAYMENT, Severity.CRITICAL, State.OPEN, currency="RUB", theirs=29_900
        ),
        f"critical unknown_payment at tbank, 2026-11-22: ours None, theirs 29900 RUB ({ID})",
    ),
    (StatementMissing(ID, "tbank", DAY), "ask tbank for the statement of 2026-11-22"),
    (
        Chargeback(ID, ID, ID, "customer-1", "stripe", 29_900, "RUB", undone=False),
        f"29900 RUB charged back at stripe, payment {ID}",
    ),
    (BooksDay(DAY, "ann", 3, "00"), "file the trial balance of 2026-11-22, closed by ann"),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_each_signal_says_what_somebody_has_to_do(body: Body, expected: str) -> None:
    assert task(body) == expected


def test_there_is_a_task_of_every_body() -> None:
    assert {type(body) for body, _ in BODIES} == set(FINANCE_BODIES.values())


def test_a_repeated_message_makes_no_second_task() -> None:
    tasks = Tasks()
    assert tasks.add("1", BODIES[0][0])
    assert not tasks.add("1", BODIES[0][0])
