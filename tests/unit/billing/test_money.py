import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import CurrencyMismatch, InvalidMoney
from billing.money import EXPONENTS, MAX_AMOUNT, Money, from_decimal_string, from_typed, to_decimal_string


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


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("1 299,50", "RUB", 129_950), ("1500", "RUB", 150_000), ("1,5", "EUR", 150), ("12.00", "EUR", 1_200),
     ("1500", "JPY", 1_500), ("1.500", "KWD", 1_500), ("1,50", "KWD", 1_500), ("0", "RUB", 0)],
)  # fmt: skip
def test_what_people_type_is_an_amount(text, currency, amount):
    assert from_typed(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("1,500", "RUB", "more decimals than RUB allows (2)"),
        ("12.000", "EUR", "more decimals than EUR allows (2)"),
        ("1,000", "JPY", "more decimals than JPY allows (0)"),
        ("25.00", "JPY", "more decimals than JPY allows (0)"),
        ("1 000.0000", "KWD", "more decimals than KWD allows (3)"),
        ("1,500", "KWD", "may be thousands or decimals"),
        ("1,500.00", "RUB", "not an amount"),
        ("1.500,00", "RUB", "not an amount"),
    ],
)
def test_a_separator_of_thousands_is_not_a_decimal_point(text, currency, words):
    with pytest.raises(InvalidMoney, match=re.escape(words)):
        from_typed(text, currency)


def test_an_unknown_currency_is_refused():
    with pytest.raises(InvalidMoney):
        Money(1, "XXX")


def test_currencies_do_not_mix():
    with pytest.raises(CurrencyMismatch):
        Money(1, "RUB") + Money(1, "USD")
