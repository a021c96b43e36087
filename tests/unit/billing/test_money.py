import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import CurrencyMismatch, InvalidMoney
from billing.money import EXPONENTS, MAX_AMOUNT, Money, from_decimal_string, to_decimal_string


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(EXPONENTS)))
def test_every_amount_survives_the_providers_decimal_form(amount, currency):
    assert from_decimal_string(to_decimal_string(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(12345, "RUB", "123.45"), (5, "RUB", "0.05"), (700, "JPY", "700"), (1234, "KWD", "1.234")],
)
def test_the_currency_decides_the_decimals(amount, currency, text):
    assert to_decimal_string(amount, currency) == text


@pytest.mark.parametrize("text", ["", "1,5", "-1", "1.005", "1e3", "01.00", " 1", "NaN", "1."])
def test_what_is_not_an_exact_amount_is_refused(text):
    with pytest.raises(InvalidMoney):
        from_decimal_string(text, "RUB")


def test_trailing_zeros_are_not_a_finer_amount():
    assert from_decimal_string("1.500", "RUB") == 150


def test_an_unknown_currency_is_refused():
    with pytest.raises(InvalidMoney):
        Money(1, "XXX")


def test_currencies_do_not_mix():
    with pytest.raises(CurrencyMismatch):
        Money(1, "RUB") + Money(1, "USD")
