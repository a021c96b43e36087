"""What a difference is called."""

from datetime import date
from uuid import UUID

import pytest

from billing.clearing.discrepancies import HANDLING, TRANSITIONS, Event, Kind, State, step
from billing.clearing.naming import Compared, Loose, Totals, doubt, name_compared, name_loose

TODAY = date(2026, 3, 10)
OPERATION, PAYMENT = UUID(int=1), UUID(int=2)


def named(ours: int, theirs: int | None, *kinds: str, late_until: date = TODAY, **fields: object) -> Kind:
    their_currency = None if theirs is None else "RUB"
    compared = Compared(
        OPERATION, PAYMENT, "RUB", ours, theirs, **({"their_currency": their_currency, "kinds": kinds} | fields)
    )
    return name_compared(compared, late_until=late_until, today=TODAY)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Kind.LATE, named(100, None)),
        (Kind.MISSING_AT_PROVIDER, named(100, None, late_until=date(2026, 3, 9))),
        (Kind.LINE_WITHDRAWN, named(100, None, withdrawn=True)),
        (Kind.AMOUNT_DIFFERS, named(100, 90, "charge")),
        (Kind.LINE_CHANGED, named(100, 90, "charge", changed=True)),
        (Kind.CURRENCY_DIFFERS, named(100, 100, "charge", their_currency="USD")),
        (Kind.TAKEN_TWICE, named(100, 200, "charge", "charge")),
        (Kind.TAKEN_TWICE, named(-100, -200, "refund", "refund")),
        (Kind.AMOUNT_DIFFERS, named(100, 150, "charge", "charge")),
        (Kind.MISSING_HERE, named(0, 100, "charge")),
        (Kind.MOVEMENT_REVERSED, named(0, 100, "charge", reversed=True)),
        (Kind.REFUND_UNDONE, named(-100, 0, "refund", "refund_undone")),
        (Kind.CHARGEBACK, named(0, -100, "chargeback")),
        (Kind.CHARGEBACK, named(-100, 0, "chargeback_undone")),
    ],
)
def test_each_difference_of_an_operation_has_one_name(kind: Kind, found: Kind) -> None:
    assert found is kind


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (Loose("charge", None), Kind.UNKNOWN_PAYMENT),
        (Loose("chargeback", None), Kind.UNKNOWN_PAYMENT),
        (Loose("charge", PAYMENT), Kind.MISSING_HERE),
        (Loose("refund", PAYMENT, 2), Kind.AMBIGUOUS),
        (Loose("chargeback", PAYMENT), Kind.CHARGEBACK),
        (Loose("other", None), Kind.UNCLASSIFIED_LINE),
        (Loose("other", PAYMENT), Kind.UNCLASSIFIED_LINE),
        (Loose("payout", None), None),
        (Loose("fee", PAYMENT), None),
    ],
)
def test_each_line_without_an_operation_has_one_name(line: Loose, kind: Kind | None) -> None:
    assert name_loose(line) is kind


@pytest.mark.parametrize(
    ("totals", "doubted"),
    [
        (Totals(0, 0, 0), False),
        (Totals(100, 0, 100), False),
        (Totals(101, 0, 101), True),
        (Totals(0, 101, 101), True),
        (Totals(10_000, 10_000, 1_000), False),
        (Totals(10_000, 10_000, 1_001), True),
        (Totals(100_000, 100_000, 5_000), False),
        (Totals(100_000, 100_000, 5_001), True),
    ],
)
def test_a_statement_is_doubted_as_a_whole(totals: Totals, doubted: bool) -> None:
    assert (doubt(totals) is not None) is doubted


def test_every_kind_is_handled_and_every_state_is_reached_and_left() -> None:
    assert set(HANDLING) == set(Kind)
    assert set(TRANSITIONS.values()) == set(State)
    assert {before for before, _ in TRANSITIONS} == {None, *State}


def test_a_persons_word_is_a_claim_that_the_next_statement_confirms_or_takes_back() -> None:
    claimed = step(State.PERSON, Event.RESOLVED)
    assert claimed is State.RESOLVED
    assert step(claimed, Event.AGREED) is State.CLOSED
    assert step(claimed, Event.FOUND) is State.PERSON


@pytest.mark.parametrize("event", [Event.RESOLVED, Event.SETTLED])
def test_nothing_that_is_closed_or_only_late_is_decided_by_a_person(event: Event) -> None:
    assert step(State.CLOSED, event) is None
    assert step(State.EXPECTED, event) is None
