"""When in a day charges are made: in the day hours of the business zone, spread, so that a day's renewals do not come at
once and no bank's message wakes a customer."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.subscriptions.access import slack
from billing.subscriptions.cadence import Cadence, to_utc

#: Charges are made from this hour to that one, by the wall clock of the zone.
FIRST_HOUR: Final = 8
LAST_HOUR: Final = 22
#: A charge that is due after this hour waits for the next morning.
LATEST_HOUR: Final = 20
_SPREAD: Final = timedelta(hours=6)


def into_hours(moment: datetime, zone: str) -> datetime:
    """``moment`` (UTC), or the next in which charges are made."""
    opens, closes = _day(moment, zone)
    if moment < opens:
        return opens
    return moment if moment <= closes - timedelta(hours=LAST_HOUR - LATEST_HOUR) else _next_morning(moment, zone)


def charge_at(id: UUID, period: int, due: datetime, zone: str, cadence: Cadence) -> datetime:
    """When the charge for a period that begins at ``due`` is made (UTC). The same for the same subscription and period."""
    earliest = into_hours(due, zone)
    spread = min(_SPREAD, slack(cadence) / 4)
    chance = int.from_bytes(sha256(f"{id}/{period}".encode()).digest()[:8])
    moment = earliest + timedelta(seconds=chance % int(spread.total_seconds()))
    return min(moment, _day(earliest, zone)[1])


def _day(moment: datetime, zone: str) -> tuple[datetime, datetime]:
    return _open_hours(moment.astimezone(ZoneInfo(zone)).date(), zone)


# A day's renewals ask for the same day.
@lru_cache(maxsize=64)
def _open_hours(day: date, zone: str) -> tuple[datetime, datetime]:
    return to_utc(datetime.combine(day, time(FIRST_HOUR)), zone), to_utc(datetime.combine(day, time(LAST_HOUR)), zone)


def _next_morning(moment: datetime, zone: str) -> datetime:
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    return to_utc(local.replace(hour=FIRST_HOUR) + timedelta(days=1), zone)
