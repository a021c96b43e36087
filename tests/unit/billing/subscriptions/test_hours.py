"""When in a day charges are made."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.hours import charge_at, into_hours

ZONE = "Europe/Moscow"
MONTH = Cadence(Unit.MONTH)
SECONDS = st.integers(1_700_000_000, 1_900_000_000)


def local(moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(ZONE))


@given(SECONDS, st.uuids())
def test_a_charge_is_made_in_day_hours_within_a_day_and_never_before_it_is_due(second: int, id: UUID) -> None:
    due = datetime.fromtimestamp(second, UTC)
    at = charge_at(id, 2, due, ZONE, MONTH)
    assert due <= at <= due + timedelta(hours=18)
    assert 8 <= local(at).hour <= 22
    assert at == charge_at(id, 2, due, ZONE, MONTH)


@given(SECONDS)
def test_a_retry_moves_into_the_day_hours_and_never_earlier(second: int) -> None:
    wanted = datetime.fromtimestamp(second, UTC)
    moved = into_hours(wanted, ZONE)
    assert wanted <= moved <= wanted + timedelta(hours=12)
    assert 8 <= local(moved).hour < 20 or (local(moved).hour, local(moved).minute) == (20, 0)


def test_a_day_of_ends_is_spread_over_the_day_hours() -> None:
    start = datetime(2026, 3, 31, 21, 0, tzinfo=UTC)
    hours: dict[int, int] = {}
    number, delays = 20_000, timedelta()
    for n in range(number):
        due = start + timedelta(days=1) * n / number
        at = charge_at(uuid5(UUID(int=0), str(n)), 1, due, ZONE, MONTH)
        delays += at - due
        hours[local(at).hour] = hours.get(local(at).hour, 0) + 1
    assert max(hours.values()) < 0.13 * number
    assert delays / number < timedelta(hours=6)
