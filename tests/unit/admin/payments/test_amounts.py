"""The amount that somebody types for a payment."""

import re

import pytest

from admin.payments.actions import InvalidForm, _amount


def test_an_amount_is_in_the_currency_of_the_payment() -> None:
    assert (_amount("1 299,50", "RUB"), _amount("1500", "JPY")) == (129_950, 1_500)


@pytest.mark.parametrize(
    ("typed", "currency", "example"),
    [("1,500", "RUB", "299.00"), ("1,000", "JPY", "299"), ("1,500", "KWD", "299.000")],
)
def test_what_may_be_thousands_is_refused_with_an_example_of_the_currency(
    typed: str, currency: str, example: str
) -> None:
    with pytest.raises(InvalidForm, match=re.escape(f"Write the amount as {example}: '{typed}'")):
        _amount(typed, currency)
