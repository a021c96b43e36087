"""Charts as people see them: the texts of the drawn file."""

import re
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest

from analytics.chart import SIZES, chart
from analytics.colours import LIGHT
from analytics.picture import png, svg
from analytics.report import Report, Result, find_report, read_reports

MONTHS = [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1)]


def texts(report: Report, result: Result, size: str = "page") -> list[str]:
    """The texts of the chart."""
    drawn = svg(report, result, size=size, dark=False).decode()
    return re.findall(r"<(?:text|tspan)[^>]*>([^<]+)<", drawn)


def movements(*names: str, currency: str = "RUB") -> list[tuple[Any, ...]]:
    return [
        (month, currency, name, 1, 12_000_000, -1_000_000 if name.startswith(("HELD", "CHURN")) else 1_000_000)
        for month, name in product(MONTHS, names)
    ]


COLUMNS = ("month", "currency", "movement", "subscriptions", "arr", "mrr")
MOVEMENTS = find_report("mrr_movements")


def test_a_chart_says_its_unit_its_series_and_the_months_in_words() -> None:
    found = texts(MOVEMENTS, Result(COLUMNS, movements("opening", "NEW", "CHURN_VOLUNTARY")))

    assert {"MRR, RUB", "new", "churn voluntary", "net change"} <= set(found)
    assert {"Nov", "2025", "Dec", "Jan", "2026"} <= set(" ".join(found).split())
    assert not {"opening", "mrr", "month"} & set(found)


def test_what_only_rises_has_no_line_of_the_net_change() -> None:
    assert "net change" not in texts(MOVEMENTS, Result(COLUMNS, movements("NEW", "RETURN")))


def test_each_currency_has_its_own_axis() -> None:
    rows = [*movements("NEW"), *movements("NEW", currency="KZT")]

    assert {"MRR, RUB", "MRR, KZT"} <= set(texts(MOVEMENTS, Result(COLUMNS, rows)))


def test_axes_of_counts_have_whole_numbers_only_and_each_once() -> None:
    columns = ("day", "currency", "due", "first_try", "recovered", "open", "failed", "first_try_percent")
    found = texts(find_report("renewals_by_day"), Result(columns, [(MONTHS[0], "RUB", 1, 1, 0, 0, 0, 100.0)]))

    assert {"RUB: number", "first try", "0", "1"} <= set(found)
    assert not [text for text in found if "." in text and text.replace(".", "").isdigit()]


@pytest.mark.parametrize(("size", "most"), [(name, size.labels) for name, size in SIZES.items()])
def test_a_year_of_days_has_no_more_labels_than_fit(size: str, most: int) -> None:
    columns = ("day", "plan", "currency", "subscriptions", "arr", "mrr")
    days = [MONTHS[0] + timedelta(days=n) for n in range(365)]
    found = texts(find_report("mrr"), Result(columns, [(day, "a", "RUB", 1, 1200, 100) for day in days]), size)

    labels = [text for text in found if re.match(r"\d+ [A-Z][a-z]{2}", text)]
    assert 3 <= len(labels) <= most


def test_a_single_day_is_a_bar_for_each_series_with_its_number() -> None:
    columns = ("day", "currency", "due", "first_try", "recovered", "open", "failed", "first_try_percent")
    found = texts(find_report("renewals_by_day"), Result(columns, [(MONTHS[0], "RUB", 41, 36, 1, 3, 0, 88.0)]))

    assert {"first try", "36", "recovered", "1", "open", "3", "failed", "1 Nov 2025"} <= set(found)


def test_names_of_lines_stand_at_their_ends_and_never_on_each_other() -> None:
    report = find_report("revenue_by_provider")
    days = [MONTHS[0] + timedelta(days=n) for n in range(30)]
    rows = [
        tuple({"day": day, "currency": "RUB", "provider": name}.get(column, 100_00) for column in report.columns)
        for day in days
        for name in ("stripe", "tbank", "yookassa")
    ]
    drawn = chart(report, Result(report.columns, rows), SIZES["page"], LIGHT, title=None)
    names = {row["series"]: row["value"] for row in drawn["layer"][1]["data"]["values"]}

    assert set(names) == {"stripe", "tbank", "yookassa"}
    assert len(set(names.values())) == 3
    assert "legend" not in svg(report, Result(report.columns, rows), size="page", dark=False).decode()


def test_a_long_name_is_cut_and_many_categories_are_counted() -> None:
    columns = ("currency", "product_id", "sales", "gross", "refunds", "net")
    rows = [("RUB", f"{n}-the-extended-directors-cut-in-five-parts", 1, 100, 0, 100) for n in range(50)]
    found = texts(find_report("revenue_by_product"), Result(columns, rows))

    assert "0-the-extended-director…" in found
    assert "the first 20 of 50" in found
    assert "20-the-extended-directo…" not in found


def test_a_chart_without_rows_says_so() -> None:
    assert texts(MOVEMENTS, Result(COLUMNS, [])) == ["no rows"]


@pytest.mark.parametrize("report", read_reports().values(), ids=lambda report: report.name)
def test_every_report_is_drawn_in_every_size_and_theme_without_a_warning(
    report: Report, recwarn: pytest.WarningsRecorder
) -> None:
    lines = [re.split(r" {2,}", line.strip()) for line in report.example.splitlines()[1:]]
    rows = [line for line in lines if len(line) == len(report.columns)]
    result = Result(report.columns, [list(map(_value, row)) for row in rows])

    assert result.rows
    for size, dark in product(SIZES, (False, True)):
        svg(report, result, size=size, dark=dark)
    assert png(report, result).startswith(b"\x89PNG")
    # What another test left open is collected whenever Python likes.
    assert [str(w.message) for w in recwarn if not issubclass(w.category, ResourceWarning)] == []


def _value(text: str) -> Any:
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text[:10])
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text
