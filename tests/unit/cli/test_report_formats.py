"""A report's result as a table, CSV, JSON and a chart."""

import json
from datetime import date

import pytest
from typer.testing import CliRunner

from analytics.report import Result, find_report
from cli.main import app
from cli.reports import Format, encoded

REPORT = find_report("books_by_day")
COLUMNS = ("day", "currency", "gross", "refunds", "fees", "net")
RESULT = Result(
    COLUMNS,
    [
        (date(2026, 11, 22), "RUB", 1000, 100, 0, 900),
        (date(2026, 11, 23), "RUB", 2000, 0, 0, 2000),
        (date(2026, 11, 23), "KZT", 500, 0, 0, 500),
    ],
)


def test_csv_has_a_header_and_whole_minor_units() -> None:
    lines = encoded(REPORT, RESULT, Format.CSV).decode().splitlines()

    assert lines[:2] == ["day,currency,gross,refunds,fees,net", "2026-11-22,RUB,1000,100,0,900"]


def test_a_table_says_which_columns_count_payments() -> None:
    columns = ("provider", "currency", "captured", "refunded", "gross", "refunds")
    result = Result(columns, [("stripe", "RUB", 160, 8, 478_400, 15_000)])

    assert "captured: number of payments" in encoded(find_report("refund_ratio"), result, Format.TABLE).decode()


@pytest.mark.parametrize(
    ("product", "cell"),
    [
        ('=HYPERLINK("https://evil.example";"film")', '"\'=HYPERLINK(""https://evil.example"";""film"")"'),
        ("+7", "'+7"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tfilm", "'\tfilm"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("film-77", "film-77"),
    ],
)
def test_a_text_of_a_client_is_no_formula_in_a_spreadsheet(product: str, cell: str) -> None:
    result = Result(("product_id", "net", "share"), [(product, -100, -0.5)])

    assert encoded(REPORT, result, Format.CSV).decode() == f"product_id,net,share\n{cell},-100,-0.5\n"


def test_json_is_an_object_per_row() -> None:
    rows = json.loads(encoded(REPORT, RESULT, Format.JSON))

    assert rows[2] == {"day": "2026-11-23", "currency": "KZT", "gross": 500, "refunds": 0, "fees": 0, "net": 500}


def test_a_table_shows_money_in_major_units_with_its_currency() -> None:
    rows = encoded(REPORT, RESULT, Format.TABLE).decode().splitlines()

    (row,) = [line for line in rows if "2026-11-22" in line]
    assert all(f" {amount} " in row for amount in ("10.00 RUB", "1.00 RUB", "0.00 RUB", "9.00 RUB"))


def test_a_table_shows_the_question_and_every_row() -> None:
    text = encoded(REPORT, RESULT, Format.TABLE).decode()

    assert "What are gross revenue, refunds, fees and net revenue of each day" in " ".join(text.split())
    assert "2026-11-22" in text


@pytest.mark.parametrize("result", [RESULT, Result(COLUMNS, [])])
def test_a_chart_is_a_png(result: Result) -> None:
    assert encoded(REPORT, result, Format.PNG).startswith(b"\x89PNG\r\n\x1a\n")


def test_the_command_lists_reports_and_refuses_unknown_ones() -> None:
    assert "books_by_day" in CliRunner().invoke(app, ["report", "--list"]).output
    assert CliRunner().invoke(app, ["report", "nonsense"]).exit_code == 2
    assert CliRunner().invoke(app, ["report", "funnel", "--param", "from"]).exit_code == 2
    assert CliRunner().invoke(app, ["report", "funnel", "--param", "from=never"]).exit_code == 2
