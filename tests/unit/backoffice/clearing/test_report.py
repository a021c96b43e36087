"""The report of a day as a page and for spreadsheets."""

import csv
import io
from typing import Any

import pytest

from backoffice.clearing.report import as_csv, as_html
from backoffice.clearing.report.model import Cell, Column, Report
from backoffice.operators import InvalidArgument
from tests.support.clearing_report import DAY, MADE_AT, a_full_report, a_section

COLUMNS = (Column("what"), Column("amount", Cell.MONEY), Column("currency", Cell.ID))


def a_report(*rows: tuple[Any, ...]) -> Report:
    return Report(DAY, None, MADE_AT, None, (a_section("money", COLUMNS, *rows), a_section("nothing", COLUMNS)))


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_money_is_two_columns_in_whole_units_and_in_minor_ones() -> None:
    report = a_report(
        ("a", -123_456, "RUB"), ("b", 5, "KWD"), ("c", -700, "JPY"), ("d", None, "RUB"), ("e", 0, "RUB"), ("f", 1, None)
    )
    assert table(as_csv(report, "money")) == [
        ["what", "amount", "amount, minor units", "currency"],
        ["a", "-1234.56", "-123456", "RUB"],
        ["b", "0.005", "5", "KWD"],
        ["c", "-700", "-700", "JPY"],
        ["d", "", "", "RUB"],
        ["e", "0.00", "0", "RUB"],
        ["f", "", "", ""],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+7", "-a", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_a_text_is_no_formula_and_an_amount_stays_a_number(text: str) -> None:
    assert table(as_csv(a_report((text, -100, "RUB")), "money"))[1][:2] == ["'" + text, "-1.00"]


def test_a_spreadsheet_sees_utf_8_and_every_section() -> None:
    content = as_csv(a_report(("Оплата; «кино»", 100, "RUB")))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = table(content)
    assert rows[0] == ["Clearing of 20 November 2026"]
    assert rows[1:4] == [[], ["Money"], ["what", "amount", "amount, minor units", "currency"]]
    assert rows[4] == ["Оплата; «кино»", "1.00", "100", "RUB"]
    assert rows[5:7] == [[], ["Nothing"]]


def test_an_unknown_section_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match="money, nothing"):
        as_csv(a_report(), "cash")


def test_the_page_says_what_a_section_without_rows_means_and_escapes_what_others_wrote() -> None:
    page = as_html(a_report(("<b>x</b>", -123_456_789, "RUB"))).decode()
    assert "There is none." in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "\u22121\u202f234\u202f567.89" in page
    assert "The day of the books is open" in page


def test_the_page_names_who_closed_the_day_and_how_many_rows_it_does_not_show() -> None:
    page = as_html(a_full_report()).decode()
    assert "by olga, hash" in page
    assert "200 of 240 rows" in page
