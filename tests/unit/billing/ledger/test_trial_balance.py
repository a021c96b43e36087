import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InvariantBroken
from billing.ledger.trial_balance import AccountBalance, Turnover, check, closing_balances, trial_balance

FEES, CLEARING = ("fees:stripe", "RUB"), ("clearing:stripe", "RUB")


def test_a_balance_closes_with_what_it_opened_with_and_what_moved():
    rows = trial_balance({CLEARING: 900, FEES: -900}, {CLEARING: Turnover(50, 100), ("bank", "RUB"): Turnover(100, 50)})
    assert rows == (
        AccountBalance("bank", "RUB", 0, 100, 50, 50),
        AccountBalance("clearing:stripe", "RUB", 900, 50, 100, 850),
        AccountBalance("fees:stripe", "RUB", -900, 0, 0, -900),
    )


def test_an_account_that_holds_nothing_and_did_not_move_has_no_row():
    assert trial_balance({CLEARING: 0}, {FEES: Turnover(0, 0)}) == ()


def test_an_account_that_came_to_zero_does_not_open_the_next_day():
    rows = trial_balance({CLEARING: 5, FEES: -5}, {CLEARING: Turnover(0, 5), FEES: Turnover(5, 0)})
    assert closing_balances(rows) == {}


@pytest.mark.parametrize(
    ("opening", "turnover"),
    [
        ({CLEARING: 1}, {}),
        ({}, {CLEARING: Turnover(1, 0)}),
        ({CLEARING: 1, ("fees:stripe", "USD"): -1}, {}),
        ({}, {CLEARING: Turnover(1, 0), ("fees:stripe", "USD"): Turnover(0, 1)}),
        ({CLEARING: 1}, {FEES: Turnover(0, 1)}),
    ],
)
def test_books_that_do_not_balance_in_each_currency_have_no_trial_balance(opening, turnover):
    with pytest.raises(InvariantBroken, match="not zero"):
        trial_balance(opening, turnover)


def test_a_row_that_closes_with_something_else_is_found():
    with pytest.raises(InvariantBroken):
        check([AccountBalance("bank", "RUB", 0, 5, 5, 1)])


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("de"), st.integers(1, 10**12)), max_size=5),
        max_size=5,
    )
)
def test_over_any_days_of_balanced_postings_each_account_holds_the_sum_of_its_entries(days):
    opening, held = {}, {}
    for postings in days:
        moved = {}
        for debited, credited, amount in postings:
            for account, debit, credit in ((debited, amount, 0), (credited, 0, amount)):
                before = moved.get((account, "RUB"), Turnover(0, 0))
                moved[account, "RUB"] = Turnover(before.debit + debit, before.credit + credit)
                held[account, "RUB"] = held.get((account, "RUB"), 0) + debit - credit
        opening = closing_balances(trial_balance(opening, moved))
    assert opening == {key: balance for key, balance in held.items() if balance}
