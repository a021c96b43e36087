"""Business days: by the clocks of a zone, also where these are changed."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.registry import PLUGINS
from providers.settlement import Settlement

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def a_settlement(zone: str = "Europe/Moscow", cut_off: time = time(), **fields: Any) -> Settlement:
    values: dict[str, Any] = {
        "source": "api", "ready_after": HOUR, "absent_after": 12 * HOUR, "reread": 3, "late": 1, "late_refunds": 5,
    }  # fmt: skip
    return Settlement(zone=zone, cut_off=cut_off, **(values | fields))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_in_which_clocks_are_changed_has_23_or_25_hours(day: date, hours: int) -> None:
    start, end = a_settlement("Europe/Berlin").business_day(day)
    assert end - start == hours * HOUR


def test_a_day_begins_at_the_cut_off_by_the_clocks_of_its_zone() -> None:
    start, end = a_settlement(cut_off=time(21)).business_day(date(2026, 11, 27))
    assert (start, end) == (datetime(2026, 11, 27, 18, tzinfo=UTC), datetime(2026, 11, 28, 18, tzinfo=UTC))


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_one_second_decides_the_day(name: str) -> None:
    settlement = PLUGINS[name].capabilities.settlement
    start, end = settlement.business_day(date(2026, 11, 27))
    found = [settlement.day_of(moment) for moment in (start - SECOND, start, end - SECOND, end)]
    assert found == [date(2026, 11, day) for day in (26, 27, 27, 28)]


@given(
    st.sampled_from(
        ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Etc/UTC", "Pacific/Apia", "Asia/Kathmandu"]
    ),
    st.times().filter(lambda at: at.tzinfo is None),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_every_moment_lies_in_its_own_day_and_days_leave_no_gap(zone: str, cut_off: time, moment: datetime) -> None:
    settlement = a_settlement(zone, cut_off)
    day = settlement.day_of(moment)
    start, end = settlement.business_day(day)
    assert start <= moment < end
    assert settlement.business_day(day + timedelta(days=1))[0] == end


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_setting_changes_the_settlement_of_our_account(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = PLUGINS[name]
    variable = plugin.settings.variable("settlement")
    monkeypatch.setenv(
        variable, '{"zone": "Europe/Berlin", "cut_off": "18:00:00", "ready_after": "PT6H", "reread": 14}'
    )
    settlement = plugin.settings().narrow(plugin.capabilities).settlement
    assert (settlement.zone, settlement.cut_off, settlement.ready_after) == ("Europe/Berlin", time(18), 6 * HOUR)
    assert (settlement.reread, settlement.late) == (14, plugin.capabilities.settlement.late)


@pytest.mark.parametrize("wrong", ['{"zone": "Moscow"}', '{"zoen": "UTC"}', '{"reread": "7"}', '{"calls_per_s": 0}'])
def test_a_setting_that_is_none_is_refused_by_its_name(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_STRIPE_SETTLEMENT", wrong)
    plugin = PLUGINS["stripe"]
    with pytest.raises(ValueError, match="BILLING_STRIPE_SETTLEMENT"):
        plugin.settings().narrow(plugin.capabilities)


def test_a_settlement_survives_json() -> None:
    settlement = a_settlement(cut_off=time(21, 30))
    assert msgspec.json.decode(msgspec.json.encode(settlement), type=Settlement) == settlement
