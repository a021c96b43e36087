"""When a provider's day begins and ends, and when its statement can be relied on."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

MOSCOW: Final = "Europe/Moscow"
_DAY: Final = timedelta(days=1)


class Tariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider keeps of a charge by contract, tax included: ``basis_points``, hundredths of a percent of it, and
    ``fixed`` minor units. How it rounds is its own affair: one minor unit more or less is no difference."""

    basis_points: int
    fixed: int = 0


class Settlement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's business day and statement.

    ``zone``, ``cut_off``: the day D lasts from ``cut_off`` on D to ``cut_off`` on D+1, by the clocks of this IANA zone.
    ``source``: where the statement comes from. ``ready_after``: how long after the day's end it is first read;
    ``absent_after``: how long after it a missing one is an alert. ``reread``: the days that are read again with a new
    one, because rows are added or changed late. ``late``, ``late_refunds``: the days that a charge, or a refund, may
    come later than we booked it before it is missing. ``refunds_dated_by``: ``creation`` where the statement shows a
    refund on the day it was asked for, so that one that succeeds later is read singly (:meth:`Provider.refund`).
    ``tariffs``: method, ``*`` for every other → what the contract says; without, fees are booked and not checked.
    ``calls_per_s``: calls a second that reading may make, for this process; calls for payments have the rest of what the
    provider allows.
    """

    zone: str
    source: Literal["api", "file"]
    ready_after: timedelta
    absent_after: timedelta
    reread: int
    late: int
    late_refunds: int
    cut_off: time = time()
    refunds_dated_by: Literal["success", "creation"] = "success"
    calls_per_s: float = 5.0
    tariffs: dict[str, Tariff] = {}

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {self.zone!r}") from error
        if self.cut_off.tzinfo is not None:
            raise ValueError("cut_off has no zone of its own")
        if self.calls_per_s <= 0:
            raise ValueError("calls_per_s must be more than 0")

    def business_day(self, day: date) -> tuple[datetime, datetime]:
        """The start and the end of a business day, UTC. With a change of clocks in it a day has 23 or 25 hours."""
        return self._start(day), self._start(day + _DAY)

    def day_of(self, moment: datetime) -> date:
        """The business day that a moment belongs to. Raises :class:`ValueError` for one without a zone."""
        if moment.tzinfo is None:
            raise ValueError("a time without its zone belongs to no day")
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        return day if self._start(day) <= moment else day - _DAY

    def changed(self, fields: Mapping[str, Any]) -> "Settlement":
        """With other values, as JSON has them: durations as ISO 8601 (``PT12H``). Raises
        :class:`msgspec.ValidationError`."""
        return msgspec.convert({**msgspec.to_builtins(self), **fields}, Settlement)

    def _start(self, day: date) -> datetime:
        return datetime.combine(day, self.cut_off, ZoneInfo(self.zone)).astimezone(UTC)
