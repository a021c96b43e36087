"""When the periods of a subscription begin: counted from an anchor, in the wall clock of the business zone.

Always from the anchor, never from the previous boundary: 31 January is followed by 28 February and 31 March. Stored and
compared in UTC; times in a zone are for people.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from billing.errors import InvariantBroken


class Unit(StrEnum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


#: The longest interval of each unit: three years, or one in days and weeks.
MAX_COUNT: Final = MappingProxyType({Unit.DAY: 365, Unit.WEEK: 52, Unit.MONTH: 36, Unit.YEAR: 3})

_DAYS: Final = MappingProxyType({Unit.DAY: 1, Unit.WEEK: 7})
_SHORTEST: Final = MappingProxyType({**_DAYS, Unit.MONTH: 28, Unit.YEAR: 365})
_MONTHS: Final = MappingProxyType({Unit.MONTH: 1, Unit.YEAR: 12})


class Cadence(msgspec.Struct, frozen=True):
    """The length of a period: ``count`` times ``unit``."""

    unit: Unit
    count: int = 1

    @property
    def least(self) -> timedelta:
        """A length that none of its periods is shorter than, changes of the clock aside."""
        return timedelta(days=_SHORTEST[self.unit] * self.count)


class Anchor(msgspec.Struct, frozen=True):
    """Where counting starts: period ``period`` begins at the wall clock ``local`` (without an offset) of ``zone``. ``day``:
    the day of the month to return to after a shorter month."""

    local: datetime
    day: int
    period: int
    zone: str


def anchor_at(moment: datetime, period: int, zone: str) -> Anchor:
    """The anchor of a period that begins at ``moment`` (UTC)."""
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    return Anchor(local, local.day, period, zone)


def boundary(anchor: Anchor, cadence: Cadence, number: int) -> datetime:
    """When period ``number`` begins (UTC), which is when the one before it ends."""
    steps = (number - anchor.period) * cadence.count
    if cadence.unit in _DAYS:
        local = anchor.local + timedelta(days=_DAYS[cadence.unit] * steps)
    else:
        local = _add_months(anchor, _MONTHS[cadence.unit] * steps)
    return to_utc(local, anchor.zone)


def period_bounds(anchor: Anchor, cadence: Cadence, number: int) -> tuple[datetime, datetime]:
    """Start and end of a period (UTC), half-open."""
    start, end = boundary(anchor, cadence, number), boundary(anchor, cadence, number + 1)
    if end <= start:
        # One case is known: a daily period in a zone that skips a whole day.
        raise InvariantBroken(f"period {number} of {anchor} would end at its start {start}")
    return start, end


def to_utc(local: datetime, zone: str) -> datetime:
    """A wall clock of ``zone`` as UTC. One that the zone skips moves forward by the width of the gap; of one that comes
    twice it is the first."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def _add_months(anchor: Anchor, months: int) -> datetime:
    year, month = divmod(anchor.local.year * 12 + anchor.local.month - 1 + months, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return anchor.local.replace(year=year, month=month + 1, day=day)
