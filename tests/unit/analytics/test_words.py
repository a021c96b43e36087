"""Words and numbers of reports for people."""

from datetime import UTC, date, datetime

import pytest

from analytics import words
from analytics.report import read_reports


@pytest.mark.parametrize(
    ("column", "heading"),
    [
        ("mrr", "MRR, RUB"),
        ("net_per_life", "net per life, RUB"),
        ("first_try_percent", "first try, %"),
        ("percent", "share, %"),
        ("p95_ms", "p95, ms"),
        ("p95_us", "p95, ms"),
        ("subscriptions", "subscriptions"),
    ],
)
def test_a_heading_says_what_a_column_is_and_its_unit(column: str, heading: str) -> None:
    assert words.heading(column, ("mrr", "net_per_life"), "RUB") == heading


@pytest.mark.parametrize(
    ("column", "currency", "divisor"),
    [("net", "RUB", 100), ("net", "JPY", 1), ("net", "KWD", 1000), ("p95_us", "RUB", 1000), ("sales", "RUB", 1)],
)
def test_values_are_divided_into_the_unit_of_their_heading(column: str, currency: str, divisor: int) -> None:
    assert words.divisor(column, ("net",), currency) == divisor


@pytest.mark.parametrize(
    ("value", "column", "label"),
    [
        ("CHURN_VOLUNTARY", "movement", "churn voluntary"),
        ("insufficient_funds", "reason", "insufficient funds"),
        ("FILM_7", "product_id", "FILM_7"),
        (date(2026, 11, 3), "day", "3 Nov 2026"),
        (date(2026, 11, 1), "cohort", "Nov 2026"),
        (datetime(2026, 11, 3, 9, 5, tzinfo=UTC), "hour", "3 Nov 2026 09:05 UTC"),
        (4, "attempt", "4"),
    ],
)
def test_a_value_is_said_in_words_but_an_id_of_a_client_as_it_is(value: object, column: str, label: str) -> None:
    assert words.label(value, column) == label


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.001, "0"),
        (0.5, "0.5"),
        (12.5, "12.5"),
        (1234.6, "1\u202f235"),
        (-60_000.0, "\u221260\u202f000"),
        (100.0, "100"),
    ],
)
def test_a_number_has_no_more_decimals_than_it_needs(number: float, text: str) -> None:
    assert words.decimal(number) == text


def test_no_two_columns_of_a_report_have_the_same_heading() -> None:
    for report in read_reports().values():
        headings = [words.heading(column, report.money, "RUB") for column in report.columns]
        assert len(set(headings)) == len(headings), report.name
