"""When to follow up an operation that is not final, and what to send then."""

from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, Outcome

_S, _MIN, _H, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: The outcome is unknown, or the request was not sent: follow up after these, then daily.
UNCONFIRMED_SCHEDULE: Final = (5 * _S, 30 * _S, 5 * _MIN, _H, 6 * _H)
#: The request is on its way, or the provider accepted it and a callback is expected: give the customer time, then look
#: for a lost callback.
PENDING_SCHEDULE: Final = (10 * _MIN, 30 * _MIN, _H, 6 * _H)


class FollowUp(StrEnum):
    """What a follow-up sends."""

    RESEND = "resend"
    """The operation's own call, with the same idempotency key."""
    INQUIRE = "inquire"
    """An inquiry about the order."""


#: (outcome of the last call, the call opens an order whose payment URL is not known) → what the follow-ups send, one
#: after the other and then from the beginning. Opening an order moves no money and is idempotent at the provider, so
#: sending the call again is the quickest way to the payment URL. While its outcome stays unknown, every second
#: follow-up is an inquiry: a provider that answers only "it exists" would else never be asked what became of the
#: order. Any other call is sent again only where it was not sent.
RETRY_POLICY: Final[MappingProxyType[tuple[Outcome | None, bool], tuple[FollowUp, ...]]] = MappingProxyType(
    {
        (None, True): (FollowUp.RESEND,),
        (None, False): (FollowUp.INQUIRE,),
        (Outcome.SUCCEEDED, True): (FollowUp.RESEND,),
        (Outcome.SUCCEEDED, False): (FollowUp.INQUIRE,),
        (Outcome.PENDING, True): (FollowUp.RESEND,),
        (Outcome.PENDING, False): (FollowUp.INQUIRE,),
        (Outcome.NOT_SENT, True): (FollowUp.RESEND,),
        (Outcome.NOT_SENT, False): (FollowUp.RESEND,),
        (Outcome.UNKNOWN, True): (FollowUp.RESEND, FollowUp.INQUIRE),
        (Outcome.UNKNOWN, False): (FollowUp.INQUIRE,),
        # An open operation never has this outcome: a decline closes it.
        (Outcome.DECLINED, True): (FollowUp.RESEND,),
        (Outcome.DECLINED, False): (FollowUp.INQUIRE,),
    }
)


def next_follow_up(outcome: Outcome | None, follow_ups: int, now: datetime) -> datetime:
    """When to follow up (UTC) after ``follow_ups`` earlier ones. ``outcome`` is that of the last call."""
    unconfirmed = outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT)
    schedule = UNCONFIRMED_SCHEDULE if unconfirmed else PENDING_SCHEDULE
    return now + (schedule[follow_ups] if follow_ups < len(schedule) else _DAY)


def follow_up_action(payment: Payment, operation: Operation, follow_up: int) -> Action:
    """What follow-up number ``follow_up`` (from 0) asks of the provider. An operation that is final is only inquired
    about: it is a hold that the provider may have released."""
    if not operation.is_open:
        return Action.INQUIRE
    lacks_url = operation.action is Action.CREATE and payment.payment_url is None
    steps = RETRY_POLICY[operation.outcome, lacks_url]
    return operation.action if steps[follow_up % len(steps)] is FollowUp.RESEND else Action.INQUIRE
