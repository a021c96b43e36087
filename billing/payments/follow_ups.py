"""When to follow up an operation that is not final, and what to send then."""

from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.payments.model import CHARGES, Operation, Payment
from billing.reasons import Reason
from billing.vocabulary import Action, Outcome

_S, _MIN, _H, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: The outcome is unknown, or the request was not sent: follow up after these, then daily. Only follow-ups that the provider
#: answered count.
UNCONFIRMED_SCHEDULE: Final = (5 * _S, 30 * _S, 5 * _MIN, _H, 6 * _H)
#: The request is on its way, or the provider accepted it and a callback is expected: give the customer time, then look
#: for a lost callback.
PENDING_SCHEDULE: Final = (10 * _MIN, 30 * _MIN, _H, 6 * _H)
#: A question without an answer is repeated after these, then each minute: what waited for a provider is asked within a
#: minute of its return.
REPEAT_SCHEDULE: Final = (5 * _S, 30 * _S)
REPEAT_AT_LAST: Final = _MIN
#: Each question is repeated up to this share earlier, so that they do not all come at once.
JITTER: Final = 0.25

#: Reasons of an unknown or missing outcome that the provider itself gave: it was reached.
ANSWERED: Final = frozenset(
    {
        Reason.ALREADY_KNOWN,
        Reason.IN_PROGRESS,
        Reason.NOT_NAMED,
        Reason.NOT_TOLD_APART,
        Reason.PROCESSING,
        Reason.PROVIDER_BUSY,
        Reason.SEARCH_TOO_LONG,
        Reason.UNKNOWN_STATUS,
    }
)


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


def next_follow_up(outcome: Outcome | None, answered: int, now: datetime) -> datetime:
    """When to follow up (UTC) after ``answered`` earlier ones with an answer. ``outcome`` is that of the last call."""
    unconfirmed = outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT)
    schedule = UNCONFIRMED_SCHEDULE if unconfirmed else PENDING_SCHEDULE
    return now + (schedule[answered] if answered < len(schedule) else _DAY)


def repeat_question(operation: Operation, now: datetime) -> datetime:
    """When to repeat the last question about an operation, to which no answer came (UTC)."""
    unanswered = operation.follow_ups - operation.answered - 1
    wait = REPEAT_SCHEDULE[unanswered] if 0 <= unanswered < len(REPEAT_SCHEDULE) else REPEAT_AT_LAST
    return now + _spread(wait, operation)


def question_is_lost(operation: Operation, now: datetime) -> datetime:
    """When to repeat a question that is asked now, if not even its failure is reported (UTC)."""
    return now + _spread(REPEAT_AT_LAST, operation)


def _spread(wait: timedelta, operation: Operation) -> timedelta:
    # By the id, whose bits are as good as random: the decision stays a function of its arguments.
    share = (operation.id.int >> 8 * (operation.follow_ups % 8)) % 256 / 256
    return wait * (1 - JITTER * share)


def is_answer(outcome: Outcome, reason: str | None) -> bool:
    """Whether the provider was reached and spoke of the operation."""
    return outcome not in (Outcome.UNKNOWN, Outcome.NOT_SENT) or reason in ANSWERED


def follow_up_action(payment: Payment, operation: Operation, follow_up: int) -> Action:
    """What follow-up number ``follow_up`` (from 0) asks of the provider. An operation that is final is only inquired
    about: it is a hold that the provider may have released. So is a charge that is withdrawn."""
    withdrawn = payment.withdrawn is not None and operation.type in CHARGES
    if not operation.is_open or withdrawn:
        return Action.INQUIRE
    lacks_url = operation.action is Action.CREATE and payment.payment_url is None
    steps = RETRY_POLICY[operation.outcome, lacks_url]
    return operation.action if steps[follow_up % len(steps)] is FollowUp.RESEND else Action.INQUIRE
