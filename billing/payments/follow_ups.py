"""When an operation that is not final is asked about again."""

from datetime import datetime, timedelta
from typing import Final

from billing.vocabulary import Outcome

_S, _MIN, _H, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: The provider did not tell, or never heard: ask again after these, then daily.
UNCONFIRMED_SCHEDULE: Final = (5 * _S, 30 * _S, 5 * _MIN, _H, 6 * _H)
#: The request is under way, or the provider took it on and a callback will come: leave the customer time, then look
#: for a lost callback.
PENDING_SCHEDULE: Final = (10 * _MIN, 30 * _MIN, _H, 6 * _H)


def next_follow_up(outcome: Outcome | None, follow_ups: int, now: datetime) -> datetime:
    """When to ask after ``follow_ups`` earlier questions. ``outcome`` is how the last call ended."""
    schedule = UNCONFIRMED_SCHEDULE if outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) else PENDING_SCHEDULE
    return now + (schedule[follow_ups] if follow_ups < len(schedule) else _DAY)
