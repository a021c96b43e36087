"""What counts as stuck, as data.

A rule reports; it closes nothing and sends nothing. Every open operation is asked about by its own schedule, for ever
(:mod:`billing.payments.questions`), and parked callbacks are tried again; a rule finds what that has not settled in
time, and says from when on a person has to look. Age alone is no evidence.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

_MIN, _H, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One way to be stuck. Ages count from the moment ``aged_from`` and may be negative, before it.

    ``grace``: the age at which it is stuck, where its provider states no other
    (``providers.base.Capabilities.stuck_after``); ``until``: the age at which another rule takes
    over; ``person_after``: the age at which a person has to look. ``asked_by``: what keeps asking meanwhile, for people.
    """

    name: str
    state: str
    aged_from: str
    grace: timedelta
    person_after: timedelta
    asked_by: str
    until: timedelta | None = None

    def needs_person(self, since: datetime, now: datetime) -> bool:
        """Whether a person has to look at something that ages from ``since`` (UTC)."""
        return now - since >= self.person_after


_FOLLOW_UPS: Final = "follow-ups of the operation"

UNPAID: Final = Rule(
    name="unpaid",
    state="the time to pay is over and the payment is still PENDING",
    aged_from="the end of the time to pay",
    grace=30 * _MIN,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
UNKNOWN: Final = Rule(
    name="unknown",
    state="the outcome of a charge is UNKNOWN",
    aged_from="its request",
    grace=_H,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
NOT_SENT: Final = Rule(
    name="not_sent",
    state="a call could not be sent although its provider is switched on",
    aged_from="its request",
    grace=15 * _MIN,
    person_after=_H,
    asked_by="follow-ups of the operation, which send it again",
)
CAPTURE_FOLLOWS: Final = Rule(
    name="capture_follows",
    state="AUTHORIZED in one stage, without the capture that the provider makes by itself",
    aged_from="the authorization, where the provider tells its time, else the end of the time to pay",
    grace=10 * _MIN,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
HOLD_ENDING: Final = Rule(
    name="hold_ending",
    state="a hold is neither captured nor voided, and ends soon",
    aged_from="the end of the hold",
    grace=-_DAY,
    until=_H,
    person_after=timedelta(0),
    asked_by="nothing: its shop decides",
)
HOLD_OVER: Final = Rule(
    name="hold_over",
    state="the time of a hold is over, and the provider has not released it by its own word",
    aged_from="the end of the hold",
    grace=_H,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
CAPTURE_OPEN: Final = Rule(
    name="capture_open",
    state="a capture is PENDING or UNKNOWN",
    aged_from="its request",
    grace=_H,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
VOID_OPEN: Final = Rule(
    name="void_open",
    state="a void is PENDING or UNKNOWN",
    aged_from="its request",
    grace=_H,
    person_after=_DAY,
    asked_by=_FOLLOW_UPS,
)
REFUND_OPEN: Final = Rule(
    name="refund_open",
    state="a refund is PENDING or UNKNOWN",
    aged_from="its request",
    grace=_DAY,
    person_after=10 * _DAY,
    asked_by=_FOLLOW_UPS,
)
LEFT_BEHIND: Final = Rule(
    name="left_behind",
    state="the payment moved on to another provider, and its order at the one it left is not closed",
    aged_from="the request to close it",
    grace=_DAY,
    person_after=2 * _DAY,
    asked_by=_FOLLOW_UPS,
)
PARKED_CALLBACK: Final = Rule(
    name="parked_callback",
    state="a callback has no payment",
    aged_from="its receipt",
    grace=_H,
    person_after=_DAY,
    asked_by="the callbacks agent, which tries it again for three days",
)

#: Each thing that is stuck is found by one rule.
RULES: Final = (
    UNPAID, UNKNOWN, NOT_SENT, CAPTURE_FOLLOWS, HOLD_ENDING, HOLD_OVER, CAPTURE_OPEN, VOID_OPEN, REFUND_OPEN, LEFT_BEHIND,
    PARKED_CALLBACK,
)  # fmt: skip
