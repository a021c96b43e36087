"""When periods begin. The forty dates were worked out by hand and checked against ``dateutil``."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.subscriptions.cadence import Anchor, Cadence, Unit, anchor_at, boundary, period_bounds

ZONES = {"Moscow": "Europe/Moscow", "Berlin": "Europe/Berlin", "New York": "America/New_York", "UTC": "UTC"}

DATES = [
    ("2026-01-15 10:00 Moscow", 1, "MONTH", 1, "2026-02-15T07:00"),
    ("2026-01-15 10:00 Moscow", 1, "MONTH", 12, "2027-01-15T07:00"),
    ("2026-01-31 10:00 Moscow", 1, "MONTH", 1, "2026-02-28T07:00"),
    ("2026-01-31 10:00 Moscow", 1, "MONTH", 2, "2026-03-31T07:00"),
    ("2026-01-31 10:00 Moscow", 1, "MONTH", 3, "2026-04-30T07:00"),
    ("2026-01-31 10:00 Moscow", 1, "MONTH", 13, "2027-02-28T07:00"),
    ("2026-01-30 10:00 Moscow", 1, "MONTH", 1, "2026-02-28T07:00"),
    ("2026-01-30 10:00 Moscow", 1, "MONTH", 2, "2026-03-30T07:00"),
    ("2026-01-29 10:00 Moscow", 1, "MONTH", 1, "2026-02-28T07:00"),
    ("2026-01-29 10:00 Moscow", 1, "MONTH", 2, "2026-03-29T07:00"),
    ("2028-01-31 10:00 Moscow", 1, "MONTH", 1, "2028-02-29T07:00"),
    ("2028-02-29 10:00 Moscow", 1, "MONTH", 1, "2028-03-29T07:00"),
    ("2028-02-29 10:00 Moscow", 1, "MONTH", 12, "2029-02-28T07:00"),
    ("2028-02-29 10:00 Moscow", 1, "YEAR", 1, "2029-02-28T07:00"),
    ("2028-02-29 10:00 Moscow", 1, "YEAR", 4, "2032-02-29T07:00"),
    ("2000-02-29 00:00 UTC", 1, "YEAR", 100, "2100-02-28T00:00"),
    ("2026-08-31 10:00 Moscow", 3, "MONTH", 1, "2026-11-30T07:00"),
    ("2026-08-31 10:00 Moscow", 3, "MONTH", 2, "2027-02-28T07:00"),
    ("2026-08-31 10:00 Moscow", 3, "MONTH", 3, "2027-05-31T07:00"),
    ("2026-11-30 10:00 Moscow", 3, "MONTH", 2, "2027-05-30T07:00"),
    ("2026-08-31 10:00 Moscow", 6, "MONTH", 3, "2028-02-29T07:00"),
    ("2026-12-31 23:30 Moscow", 1, "MONTH", 1, "2027-01-31T20:30"),
    ("2026-12-31 23:30 Moscow", 1, "MONTH", 2, "2027-02-28T20:30"),
    ("2026-03-01 01:30 Moscow", 1, "MONTH", 1, "2026-03-31T22:30"),
    ("2026-03-01 01:30 Moscow", 1, "MONTH", 12, "2027-02-28T22:30"),
    ("2026-01-05 10:00 Moscow", 1, "WEEK", 52, "2027-01-04T07:00"),
    ("2026-01-05 10:00 Moscow", 2, "WEEK", 26, "2027-01-04T07:00"),
    ("2026-02-27 10:00 Moscow", 1, "DAY", 2, "2026-03-01T07:00"),
    ("2026-01-31 10:00 Moscow", 30, "DAY", 1, "2026-03-02T07:00"),
    ("2026-01-31 10:00 Moscow", 30, "DAY", 2, "2026-04-01T07:00"),
    ("2026-02-28 02:30 Berlin", 1, "MONTH", 1, "2026-03-28T01:30"),
    ("2026-02-28 02:30 Berlin", 29, "DAY", 1, "2026-03-29T01:30"),
    ("2026-01-29 02:30 Berlin", 1, "MONTH", 2, "2026-03-29T01:30"),
    ("2026-09-25 02:30 Berlin", 1, "MONTH", 1, "2026-10-25T00:30"),
    ("2026-09-25 02:30 Berlin", 1, "MONTH", 2, "2026-11-25T01:30"),
    ("2026-10-20 10:00 Berlin", 1, "MONTH", 0, "2026-10-20T08:00"),
    ("2026-10-20 10:00 Berlin", 1, "MONTH", 1, "2026-11-20T09:00"),
    ("2026-03-01 23:30 New York", 30, "DAY", 1, "2026-04-01T03:30"),
    ("2026-05-31 00:00 UTC", 1, "MONTH", 1, "2026-06-30T00:00"),
    ("2026-05-31 00:00 UTC", 1, "MONTH", 9, "2027-02-28T00:00"),
]


def anchor(text: str) -> Anchor:
    local, zone = datetime.fromisoformat(text[:16]), ZONES[text[17:]]
    return Anchor(local, local.day, 0, zone)


@pytest.mark.parametrize(("start", "count", "unit", "n", "expected"), DATES)
def test_the_forty_dates(start: str, count: int, unit: str, n: int, expected: str) -> None:
    found = boundary(anchor(start), Cadence(Unit(unit), count), n)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_day_after_the_gap_of_the_clock_has_its_old_hour_again() -> None:
    assert boundary(anchor("2026-01-29 02:30 Berlin"), Cadence(Unit.MONTH), 3) == datetime(
        2026, 4, 29, 0, 30, tzinfo=UTC
    )


CADENCES = st.one_of(
    st.builds(Cadence, st.just(Unit.DAY), st.integers(2, 365)),
    st.builds(Cadence, st.just(Unit.WEEK), st.integers(1, 52)),
    st.builds(Cadence, st.just(Unit.MONTH), st.integers(1, 36)),
    st.builds(Cadence, st.just(Unit.YEAR), st.integers(1, 3)),
)
#: Zones with half-hour changes, changes of a whole day, and none.
WORLD = ("Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Vladivostok", "Australia/Lord_Howe",
         "Africa/Casablanca", "Pacific/Apia", "UTC")  # fmt: skip
MOMENTS = st.integers(946_684_800, 2_840_140_800).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(MOMENTS, st.sampled_from(WORLD), CADENCES)
def test_boundaries_grow_and_equal_those_counted_from_the_anchor_by_dateutil(
    moment: datetime, zone: str, cadence: Cadence
) -> None:
    relativedelta = pytest.importorskip("dateutil.relativedelta").relativedelta
    start = anchor_at(moment, 5, zone)
    words = {Unit.DAY: "days", Unit.WEEK: "weeks", Unit.MONTH: "months", Unit.YEAR: "years"}
    for number in range(6, 45):
        begin, end = period_bounds(start, cadence, number)
        assert begin < end
        local = start.local + relativedelta(**{words[cadence.unit]: cadence.count * (number - 5)})
        assert abs(begin - local.replace(tzinfo=UTC)) < timedelta(hours=15)
        assert boundary(Anchor(local, local.day, number, zone), cadence, number) == begin


@given(MOMENTS, st.sampled_from(WORLD), CADENCES)
def test_a_period_that_begins_now_begins_now(moment: datetime, zone: str, cadence: Cadence) -> None:
    # An hour that comes twice is the first: at most the width of the change earlier.
    assert timedelta() <= moment - boundary(anchor_at(moment, 3, zone), cadence, 3) <= timedelta(hours=1)
