"""What a day adds up to stays small enough for a message."""

from itertools import product

from billing.messages.clearing_events import StatementTotal
from storage.clearing.days import TOTALS_MAX, bounded


def totals(methods: int, delays: int) -> list[StatementTotal]:
    return [
        StatementTotal("charge", "RUB", 1, 100, "RUB", 100, method=f"method-{method}", fee=fee, delay_days=delay)
        for method, delay, fee in product(range(methods), range(delays), (3, None))
    ]


def added_up(found: tuple[StatementTotal, ...]) -> tuple[int, int, int]:
    return sum(t.lines for t in found), sum(t.amount for t in found), sum(t.fee or 0 for t in found)


def test_a_usual_day_is_told_as_it_is() -> None:
    assert bounded(totals(5, 10)) == tuple(totals(5, 10))


def test_too_many_methods_are_added_up_and_nothing_is_lost() -> None:
    many = totals(TOTALS_MAX, 3)
    found = bounded(many)
    assert [(t.method, t.delay_days, t.fee is None) for t in found] == [
        (None, delay, untold) for delay in range(3) for untold in (False, True)
    ]
    assert added_up(found) == added_up(tuple(many))


def test_too_many_delays_are_added_up_too() -> None:
    many = totals(2, TOTALS_MAX)
    found = bounded(many)
    assert [(t.method, t.delay_days, t.fee is None) for t in found] == [(None, None, False), (None, None, True)]
    assert added_up(found) == added_up(tuple(many))
