"""What charts show of reports' results."""

from datetime import UTC, date, datetime

from analytics.report import Result, find_report
from analytics.series import Cohorts, Panel, cohorts, panels

BOOKS = ("day", "currency", "gross", "refunds", "fees", "net")


def test_each_currency_is_a_panel_in_its_own_units() -> None:
    rows = [
        (date(2026, 11, 22), "RUB", 1000, 100, 0, 900),
        (date(2026, 11, 23), "RUB", 2000, 0, 0, 2000),
        (date(2026, 11, 23), "JPY", 500, 0, 0, 500),
    ]

    rub, jpy = panels(find_report("books_by_day"), Result(BOOKS, rows))

    assert (rub.currency, rub.places) == ("RUB", [date(2026, 11, 22), date(2026, 11, 23)])
    assert rub.lines == {"gross": [10.0, 20.0], "refunds": [1.0, 0.0], "net": [9.0, 20.0]}
    assert (jpy.currency, jpy.lines["gross"]) == ("JPY", [500.0])


def test_plans_of_one_currency_are_added_and_currencies_never() -> None:
    columns = ("day", "plan", "currency", "subscriptions", "arr", "mrr")
    day = date(2026, 11, 22)
    rows = [(day, "a", "RUB", 1, 1200, 100), (day, "b", "RUB", 1, 2400, 200), (day, "a", "KZT", 1, 3600, 300)]

    found = panels(find_report("mrr"), Result(columns, rows))

    assert [(panel.currency, panel.lines) for panel in found] == [("RUB", {"mrr": [3.0]}), ("KZT", {"mrr": [3.0]})]


def test_a_day_without_rows_is_a_place_too_with_nothing_sold() -> None:
    rows = [(date(2026, 11, day), "RUB", 100, 0, 0, 100) for day in (3, 1)]

    (panel,) = panels(find_report("books_by_day"), Result(BOOKS, rows))

    assert panel.places == [date(2026, 11, day) for day in (1, 2, 3)]
    assert panel.lines["net"] == [1.0, 0.0, 1.0]


def test_months_without_rows_are_places_over_the_turn_of_a_year() -> None:
    columns = ("month", "currency", "captured", "subscribers", "arpu")
    rows = [(date(2025, 11, 1), "RUB", 1, 1.0, 100), (date(2026, 2, 1), "RUB", 1, 1.0, 300)]

    (panel,) = panels(find_report("arpu"), Result(columns, rows))

    assert panel.places == [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    assert panel.lines == {"arpu": [1.0, 0.0, 0.0, 3.0]}


def test_a_share_that_nobody_measured_is_missing_and_not_0() -> None:
    columns = ("hour", "provider", "approved", "declined", "approval_percent")
    hours = [datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (9, 11)]

    (panel,) = panels(
        find_report("approval_by_hour"),
        Result(columns, [(hours[0], "stripe", 1, 1, 50.0), (hours[1], "tbank", 1, 0, 100.0)]),
    )

    assert panel.lines == {"stripe": [50.0, None, None], "tbank": [None, None, 100.0]}


def test_opening_and_closing_are_no_movements() -> None:
    columns = ("month", "currency", "movement", "subscriptions", "arr", "mrr")
    movements = [("opening", 1000), ("HELD", -300), ("NEW", 200), ("closing", 900)]
    rows = [(date(2026, 11, 1), "RUB", name, 1, 12 * mrr, mrr) for name, mrr in movements]

    (panel,) = panels(find_report("mrr_movements"), Result(columns, rows))

    assert panel.lines == {"NEW": [2.0], "HELD": [-3.0]}
    assert list(panel.lines) == ["NEW", "HELD"], "what rises comes before what falls"


def test_microseconds_are_shown_as_milliseconds() -> None:
    columns = ("provider", "action", "calls", "p50_us", "p95_us", "p99_us", "max_us")
    rows = [("stripe", "CREATE", 10, 90_000, 240_500, 300_000, 300_000)]

    (panel,) = panels(find_report("slowest_steps"), Result(columns, rows))

    assert panel == Panel(None, ["CREATE"], {"stripe": [240.5]})


def test_cohorts_stand_side_by_side_with_their_size_and_shares_of_their_largest() -> None:
    columns = ("cohort", "currency", "periods", "lives", "percent")
    september, october = date(2026, 9, 1), date(2026, 10, 1)
    rows = [
        (september, "RUB", 1, 1200, 100.0),
        (september, "RUB", 2, 800, 75.0),
        (october, "RUB", 1, 7, 100.0),
        (october, "KZT", 1, 5, 100.0),
    ]

    rub, kzt = cohorts(find_report("retention_cohorts"), Result(columns, rows))

    assert rub == Cohorts(
        "RUB",
        ["1", "2"],
        [
            ("Sep 2026", "1\u202f200", [("100", 1.0), ("75", 0.75)]),
            ("Oct 2026", "7", [("100", 1.0), None]),
        ],
    )
    assert (kzt.currency, kzt.columns) == ("KZT", ["1"])


def test_a_result_without_rows_has_no_panel() -> None:
    assert panels(find_report("mrr"), Result((), [])) == []
    assert cohorts(find_report("retention_cohorts"), Result((), [])) == []
