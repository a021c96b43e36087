"""When renewals stop until a person has looked: before many customers are charged who should not be."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from billing.subscriptions.vocabulary import Decline
from storage.job_runs import JobRun
from storage.subscriptions.attempts import RECENT
from storage.subscriptions.forecast import DueOn

CLOCKS_APART: Final = timedelta(minutes=5)
MISSING_DATES: Final = 7
#: More than so much of the forecast is not a fluctuation. Below the floor no run is absurd.
OVER_FORECAST: Final = 1.5
FLOOR: Final = 100
OURS: Final = 0.5


def clocks_apart(postgres: datetime, host: datetime) -> str | None:
    """Postgres' clock decides who is due; a jump would charge everybody too early."""
    apart = abs(postgres - host)
    if apart <= CLOCKS_APART:
        return None
    return f"the clocks of Postgres and of this host differ by {apart.total_seconds():.0f} s"


def too_many_missing(missing: Sequence[date]) -> str | None:
    """A long outage, or a clock that jumped with its host."""
    if len(missing) <= MISSING_DATES:
        return None
    return f"{len(missing)} business dates are missing, {missing[0]} to {missing[-1]}"


def over_forecast(plan: Sequence[DueOn], left_over: int, last: JobRun, today: date) -> str | None:
    """More is due today than the run ``last`` foresaw. ``left_over``: charges of its date that are still due."""
    known = plan_of(last)
    own = sum(due.number for due in known if due.date <= last.business_date)
    foreseen = min(left_over, own) + sum(due.number for due in known if last.business_date < due.date <= today)
    due = sum(due.number for due in plan if due.date <= today)
    if due <= max(FLOOR, foreseen * OVER_FORECAST):
        return None
    return f"{due} charges are due, {foreseen} were foreseen on {last.business_date}"


def mostly_ours(provider: str, ended: Mapping[str, int]) -> str | None:
    """Most of a provider's last renewals failed by a fault of ours. ``ended``: how they ended → number."""
    number, ours = sum(ended.values()), ended.get(Decline.OURS, 0)
    if number < RECENT or ours <= number * OURS:
        return None
    return f"{ours} of the last {number} renewals of {provider} failed by a fault of ours"


def plan_of(run: JobRun) -> list[DueOn]:
    """The forecast that a run recorded."""
    return msgspec.convert(run.counts.get("plan", []), list[DueOn], strict=False)


def recorded(plan: Sequence[DueOn]) -> dict[str, Any]:
    """A forecast, to be recorded with a run."""
    return {"plan": msgspec.to_builtins(plan)}
