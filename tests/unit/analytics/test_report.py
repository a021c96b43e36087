"""Named reports: their headers, their parameters."""

import re
from datetime import date
from pathlib import Path

import pytest

from analytics.of_client import of_client
from analytics.report import Chart, Parameter, ReportError, bind, find_report, parse, read_reports

CLEARING = (
    "clearing_by_day", "discrepancies_by_kind", "discrepancies_by_age", "settlement_delay", "fees_by_provider",
    "lost_callbacks", "payouts_by_day",
)  # fmt: skip
ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 23)
TEXT = """-- question: How many?
-- param from Date -29d: first day
-- param to Date today: last day
-- param provider String "": one; empty: all
-- param limit UInt32 50: rows
-- chart: bar x=day y=gross,net by=currency
-- example:
--   day  n
--   1    2
SELECT 1
"""


def test_a_report_of_one_client_reads_that_clients_rows_only() -> None:
    report = read_reports()["revenue_by_provider"]

    assert of_client(report.sql, "billing").startswith(
        "WITH payments AS (SELECT * FROM `billing`.payments WHERE client_id = {client:String})\nSELECT"
    )


def test_every_report_but_those_of_the_service_can_be_of_one_client() -> None:
    assert read_reports().keys() - read_reports(of_client=True).keys() == {"stream_lag", *CLEARING}


def test_the_header_says_what_a_report_answers_and_takes() -> None:
    report = parse("how_many", TEXT)

    assert (report.question, report.sql) == ("How many?", "SELECT 1")
    assert report.parameters[0] == Parameter("from", "Date", "-29d", "first day")
    assert report.chart == Chart("bar", "day", ("gross", "net"), "currency")
    assert report.example == "day  n\n1    2"


@pytest.mark.parametrize(
    "broken",
    [
        TEXT.replace("question", "answer"),
        TEXT.replace("Date -29d", "Dates"),
        TEXT.replace("chart: bar", "chart: pie"),
        TEXT.replace("by=currency", "by=currency beside=day"),
        TEXT.replace("-- example:\n", ""),
    ],
)
def test_a_header_that_is_not_one_is_a_mistake(broken: str) -> None:
    with pytest.raises(ValueError, match="not understood|not in list"):
        parse("how_many", broken)


def test_every_report_of_ours_explains_itself_and_uses_what_it_takes() -> None:
    reports = read_reports()

    assert len(reports) >= 15
    for report in reports.values():
        assert report.example
        assert report.question.endswith((".", "?"))
        for parameter in report.parameters:
            assert f"{{{parameter.name}:{parameter.type}}}" in report.sql, report.name
        header = report.example.splitlines()[0].split()
        chart = report.chart
        assert {chart.x, *chart.y, *filter(None, [chart.by, chart.size])} <= set(header), report.name
        assert set(report.money) <= set(header), report.name
        assert chart.by != "currency", f"{report.name}: each currency has a chart of its own"
        assert len(chart.y) == 1 or chart.by is None or chart.kind != "heat", report.name
        assert (chart.kind == "heat") <= (chart.by is not None), report.name


def test_a_chart_may_leave_values_to_the_table_and_say_how_large_a_row_is() -> None:
    stack = parse("how_many", TEXT.replace("by=currency", "by=status without=ENDED,NEW")).chart
    heat = parse(
        "how_many", TEXT.replace("bar x=day y=gross,net by=currency", "heat x=n y=share by=day size=lives")
    ).chart

    assert stack.without == ("ENDED", "NEW")
    assert (heat.kind, heat.by, heat.size) == ("heat", "day", "lives")


def test_defaults_count_from_today() -> None:
    values = bind(parse("how_many", TEXT), {}, TODAY)

    assert values == {"from": date(2026, 10, 25), "to": TODAY, "provider": "", "limit": 50}


def test_what_is_given_goes_before_the_defaults() -> None:
    given = {"from": "2026-01-31", "to": "-1d", "provider": "sandbox", "limit": "3"}

    assert bind(parse("how_many", TEXT), given, TODAY) == {
        "from": date(2026, 1, 31),
        "to": date(2026, 11, 22),
        "provider": "sandbox",
        "limit": 3,
    }


@pytest.mark.parametrize(
    "given",
    [
        {"from": "yesterday"},
        {"to": "-99999d9"},
        {"from": "-99999d", "limit": "-1"},
        {"limit": "1.5"},
        {"since": "today"},
    ],
)
def test_a_wrong_parameter_is_told(given: dict[str, str]) -> None:
    with pytest.raises(ReportError):
        bind(parse("how_many", TEXT), given, TODAY)


def test_the_error_for_an_unknown_report_lists_the_known_ones() -> None:
    with pytest.raises(ReportError, match="funnel"):
        find_report("nonsense")


def test_the_documents_name_every_column_of_the_reports_on_subscriptions() -> None:
    rows = [line for line in (ROOT / "docs/reports.md").read_text().splitlines() if line.startswith("| `")]
    documented = {re.findall(r"`(\w+)`", row)[0]: set(re.findall(r"`(\w+)`", row)[1:]) for row in rows}

    reports = [report for report in read_reports().values() if "subscription" in report.sql or "renewal" in report.sql]
    assert len(reports) == 11
    for report in reports:
        assert documented[report.name] == set(report.columns), report.name
