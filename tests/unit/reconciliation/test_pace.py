"""How many may be woken: the smallest of the bounds."""

import pytest

from reconciliation.renewals.pace import Bounds, Pace


@pytest.mark.parametrize(
    ("unanswered", "waiting", "room"),
    [(0, 0, 500), (700, 0, 100), (700, 60, 40), (800, 0, 0), (900, 0, 0), (0, 19_900, 0)],
)
def test_the_smallest_bound_decides(unanswered: int, waiting: int, room: int) -> None:
    assert Pace(Bounds()).room("yookassa", unanswered, waiting) == room


def test_a_page_is_never_larger_than_its_bound() -> None:
    pace = Pace(Bounds(per_s=None, page=7))
    assert (pace.room("yookassa", 0, 0), pace.room_for_others(0)) == (7, 7)


def test_tokens_are_each_providers_own() -> None:
    pace = Pace(Bounds(per_s=0.1))
    assert pace.room("yookassa", 0, 0) == 1
    pace.spend("yookassa", 1)
    assert (pace.room("yookassa", 0, 0), pace.room("stripe", 0, 0)) == (0, 1)


def test_others_fill_the_inbox_up_to_its_bound() -> None:
    assert Pace(Bounds()).room_for_others(19_990) == 10
    assert Pace(Bounds()).room_for_others(30_000) == 0
