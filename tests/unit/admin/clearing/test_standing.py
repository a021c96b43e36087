"""How a business day stands, in a word."""

from datetime import date, timedelta
from typing import Any

import pytest

from admin.clearing.pages.standing import Counts, counts_of, standing
from backoffice.clearing.runs import DayState, DayStatus
from tests.support.factories import NOW

DAY = date(2026, 11, 20)


def a_day(state: DayState = DayState.DONE, reason: str | None = None, **states: int) -> DayStatus:
    found: Any = {"amount_differs": states} if states else {}
    return DayStatus("stripe", DAY, state, NOW, NOW if state is DayState.DONE else None, reason, {}, found)


@pytest.mark.parametrize(
    ("status", "words", "look", "hints"),
    [
        (None, "not cleared", "warn", ()),
        (a_day(DayState.OPEN), "under way", "warn", ()),
        (a_day(DayState.OPEN, "no statement yet"), "not cleared", "warn", ("waits",)),
        (a_day(DayState.SUSPECT, "half differs"), "doubted", "bad", ("look at the statement",)),
        (a_day(), "agrees", "good", ()),
        (a_day(CLOSED=4), "agrees", "good", ()),
        (a_day(EXPECTED=2), "agrees", "good", ("2 late",)),
        (a_day(OPEN=1, PERSON=2, EXPECTED=1), "disagrees", "bad", ("3 open", "1 late")),
        (a_day(RESOLVED=2), "disagrees", "warn", ("2 decided",)),
    ],
)
def test_an_open_day_has_a_word(status: DayStatus | None, words: str, look: str, hints: tuple[str, ...]) -> None:
    assert standing(status, DAY, DAY) == (words, look, hints)


def test_a_day_of_the_books_that_is_closed_is_closed_unless_something_differs() -> None:
    later = DAY + timedelta(days=1)
    assert standing(a_day(), DAY, later).words == "closed"
    assert standing(a_day(PERSON=1), DAY, later) == ("disagrees", "bad", ("1 open", "books closed"))
    assert standing(None, DAY, later).words == "not cleared", "another provider's money closed nothing here"


def test_a_day_that_goes_on_is_not_called_uncleared() -> None:
    assert standing(None, DAY, DAY, is_over=False).words == "not over"


def test_discrepancies_are_counted_by_what_they_wait_for() -> None:
    assert counts_of(None) == Counts()
    assert counts_of(a_day(OPEN=1, PERSON=2, RESOLVED=4, EXPECTED=8, CLOSED=16)) == Counts(3, 4, 8, 16)
