"""A discrepancy in words: nothing that there is lacks them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from admin.clearing.pages.words import CHOICES, EVENTS, KINDS, STATES, Amounts, amounts, choices, evidence, turn
from billing.clearing.discrepancies import ACCEPTABLE, HANDLING, Event, Kind, Resolution, State
from storage.clearing.discrepancies import Discrepancy
from tests.support.factories import NOW


def a_discrepancy(kind: Kind = Kind.AMOUNT_DIFFERS, state: State = State.PERSON, **fields: Any) -> Discrepancy:
    values: dict[str, Any] = {
        "id": UUID(int=1), "provider": "stripe", "subject": f"operation:{UUID(int=2)}", "severity": HANDLING[kind].severity,
        "business_date": date(2026, 11, 20), "payment_id": UUID(int=3), "currency": "RUB", "ours": 100, "theirs": 90,
        "due_at": NOW, "version": 1, "opened_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Discrepancy(kind=kind, state=state, **(values | fields))


def test_every_kind_state_event_and_resolution_has_words() -> None:
    assert set(KINDS) == set(Kind)
    assert set(STATES) == set(State)
    assert set(EVENTS) == set(Event)
    assert set(CHOICES) == set(Resolution)


@pytest.mark.parametrize(
    ("fields", "who", "has_time"),
    [
        ({"state": State.EXPECTED}, "nobody: a later statement is awaited", False),
        ({"state": State.OPEN, "asked": 2}, "the payment: asked on 2 of 3 days", True),
        ({"state": State.OPEN, "payment_id": None}, "nobody: the next statement decides", True),
        ({"state": State.OPEN, "owner": "ann"}, "ann", True),
        ({}, "somebody of finance: claim it", True),
        ({"owner": "ann"}, "ann", True),
        (
            {"state": State.RESOLVED, "confirm_by": date(2026, 11, 25)},
            "nobody: statements up to 25 Nov 2026 have to confirm it",
            False,
        ),
        ({"state": State.CLOSED}, "nobody", False),
    ],
)
def test_who_acts_follows_from_the_state(fields: dict[str, Any], who: str, *, has_time: bool) -> None:
    found = turn(a_discrepancy(**fields), NOW)
    assert (found.who, found.by is not None) == (who, has_time)


def test_what_is_past_its_time_is_overdue() -> None:
    assert not turn(a_discrepancy(), NOW).is_overdue
    assert turn(a_discrepancy(), NOW + timedelta(seconds=1)).is_overdue


def test_the_sides_of_fees_and_payouts_are_in_their_detail() -> None:
    nothing: dict[str, Any] = {"currency": None, "ours": None, "theirs": None}
    fee = a_discrepancy(Kind.FEE_DIFFERS, detail={"fee": 30, "by_contract": 20, "currency": "RUB"}, **nothing)
    assert amounts(fee) == Amounts(20, "RUB", 30, "RUB")
    payout = a_discrepancy(Kind.PAYOUT_DIFFERS, detail={"paid": 9, "consists_of": 10, "currency": "RUB"}, **nothing)
    assert amounts(payout).difference == -1


def test_amounts_of_two_currencies_have_no_difference() -> None:
    found = amounts(a_discrepancy(Kind.CURRENCY_DIFFERS, detail={"their_currency": "USD"}))
    assert found == Amounts(100, "RUB", 90, "USD")
    assert found.difference is None
    assert amounts(a_discrepancy()).difference == -10


@pytest.mark.parametrize("kind", Kind)
def test_only_what_the_kind_allows_is_offered(kind: Kind) -> None:
    by_hand = a_discrepancy(kind, detail={"kind": "charge"})
    assert (Resolution.ACCEPTED in choices(by_hand)) == (kind in ACCEPTABLE)
    assert Resolution.RECORDED in choices(by_hand)
    assert Resolution.RECORDED not in choices(a_discrepancy(kind))


def test_the_evidence_says_what_closed_it() -> None:
    closed = {"state": State.CLOSED, "closed_at": NOW}
    assert evidence(a_discrepancy(**closed)) == ("It closed on 23 Nov 2026 12:00 UTC: both sides have the same amount.")
    assert "as written off" in evidence(a_discrepancy(**closed, resolution=Resolution.WRITTEN_OFF))
    decided = a_discrepancy(state=State.RESOLVED, resolution=Resolution.NOT_OURS, confirm_by=date(2026, 11, 25))
    assert evidence(decided) == (
        "Decided as “not ours”. It closes when the line is gone by the statement of 25 Nov 2026; else a person looks again."
    )
