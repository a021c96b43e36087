"""A subscription in words: its state, what follows, how often it is paid. Pure."""

from typing import Final

from admin.payments.sentences import State
from analytics.words import moment
from billing.messages.subscription_events import SubscriptionSnapshot
from billing.money import Money
from billing.reasons import Reason
from billing.subscriptions.agenda import What
from billing.subscriptions.cadence import Cadence
from billing.subscriptions.vocabulary import AttemptState, EndReason, PeriodStatus, Status
from billing.vocabulary import MethodStatus

STATES: Final = {
    Status.INCOMPLETE: State("waits for the first payment", "warn"),
    Status.ACTIVE: State("active", "good"),
    Status.PAST_DUE: State("renewal declined", "bad"),
    Status.ON_HOLD: State("on hold", "bad"),
    Status.ENDED: State("ended", "plain"),
}
PERIODS: Final = {
    PeriodStatus.PAID: State("paid", "good"),
    PeriodStatus.OPEN: State("found unpaid", "bad"),
    PeriodStatus.REFUNDED: State("given back", "plain"),
    PeriodStatus.CUT: State("ended early", "plain"),
}
ATTEMPTS: Final = {
    AttemptState.REQUESTED: State("asked for", "warn"),
    AttemptState.PENDING: State("under way", "warn"),
    AttemptState.UNKNOWN: State("outcome unknown", "bad"),
    AttemptState.NOT_SENT: State("not sent", "warn"),
    AttemptState.PAID: State("paid", "good"),
    AttemptState.FAILED: State("failed", "bad"),
    AttemptState.WITHDRAWN: State("withdrawn", "plain"),
    AttemptState.STRAY: State("paid too late, given back", "plain"),
}
METHODS: Final = {
    MethodStatus.ACTIVE: State("can be charged", "good"),
    MethodStatus.DEAD: State("dead", "bad"),
    MethodStatus.REMOVED: State("removed", "plain"),
}
#: An appointment in words.
NEXT: Final = {
    What.END: "it ends",
    What.RETRY: "the charge is tried again",
    What.GIVE_UP: "it ends unpaid",
    What.HOLD: "access ends",
    What.CHARGE: "the saved method is charged",
    What.LOOK: "its payment is asked to report",
    What.ACCESS: "access is extended while the charge is under way",
    What.NOTICE: "the customer is written to",
}
_ENDS: Final = {
    EndReason.CANCELLED: "it was cancelled",
    EndReason.NON_PAYMENT: "it was not paid",
    EndReason.NEVER_STARTED: "the first payment was not made",
    EndReason.REFUNDED: "its period was given back",
    EndReason.CHARGEBACK: "the bank took a payment back",
    EndReason.NO_METHOD: "there is no method to charge",
}


def sentence(s: SubscriptionSnapshot) -> str:
    """What the subscription is, for somebody who has never seen it."""
    paid_until = None if s.period is None else moment(s.period.end_at)
    match s.status:
        case Status.INCOMPLETE:
            return "The customer has not paid the first period yet: there is no access."
        case Status.ENDED:
            why = "" if s.end_reason is None else f": {_ENDS[s.end_reason]}"
            return f"It ended{'' if s.ended_at is None else f' on {moment(s.ended_at)}'}{why}."
        case Status.ACTIVE if s.cancel_at is not None:
            why = "" if s.cancel_reason is None else f": {_ENDS[s.cancel_reason]}"
            return f"Paid until {paid_until}. It ends on {moment(s.cancel_at)}{why}."
        case Status.ACTIVE:
            amount = Money(s.price.amount, s.price.currency)
            by = "nothing can be charged" if s.method is None else f"{amount} is charged at {s.method.provider}"
            return f"Paid until {paid_until}; then {by}."
    assert s.dunning is not None, "it is overdue"
    declined = f"The renewal was declined: {_why(s.dunning.reason)}"
    if s.status is Status.ON_HOLD:
        return f"{declined} There is no access; one payment brings it back until {moment(s.dunning.give_up_at)}."
    again = "The customer has to pay" if s.dunning.retry_at is None else f"Tried again {moment(s.dunning.retry_at)}"
    return f"{declined} {again}; access stays until {moment(s.dunning.grace_until)}."


def next_words(s: SubscriptionSnapshot) -> str:
    """What the scheduler does next."""
    return "nothing" if s.next_action is None else NEXT[What[s.next_action]]


def cadence_words(cadence: Cadence) -> str:
    """``every month``, ``every 3 months``."""
    unit = cadence.unit.lower()
    return f"every {unit}" if cadence.count == 1 else f"every {cadence.count} {unit}s"


def _why(reason: str) -> str:
    meaning = Reason.of(reason).meaning
    return meaning if meaning.endswith(".") else f"{meaning}."
