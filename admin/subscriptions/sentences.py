"""A subscription in words: its state, what follows, how often it is paid. Pure."""

from typing import Final

from admin.formatting import moment, sum_of
from admin.language import N_, gettext, ngettext
from admin.payments.sentences import State
from billing.messages.subscription_events import SubscriptionSnapshot
from billing.reasons import Reason
from billing.subscriptions.agenda import What
from billing.subscriptions.cadence import Cadence, Unit
from billing.subscriptions.vocabulary import AttemptState, EndReason, PeriodStatus, Status
from billing.vocabulary import MethodStatus

STATES: Final = {
    Status.INCOMPLETE: State(N_("waits for the first payment"), "warn"),
    Status.ACTIVE: State(N_("active"), "good"),
    Status.PAST_DUE: State(N_("renewal declined"), "bad"),
    Status.ON_HOLD: State(N_("on hold"), "bad"),
    Status.ENDED: State(N_("ended"), "plain"),
}
PERIODS: Final = {
    PeriodStatus.PAID: State(N_("paid"), "good"),
    PeriodStatus.OPEN: State(N_("found unpaid"), "bad"),
    PeriodStatus.REFUNDED: State(N_("given back"), "plain"),
    PeriodStatus.CUT: State(N_("ended early"), "plain"),
}
ATTEMPTS: Final = {
    AttemptState.REQUESTED: State(N_("asked for"), "warn"),
    AttemptState.PENDING: State(N_("under way"), "warn"),
    AttemptState.UNKNOWN: State(N_("outcome unknown"), "bad"),
    AttemptState.NOT_SENT: State(N_("not sent"), "warn"),
    AttemptState.PAID: State(N_("paid"), "good"),
    AttemptState.FAILED: State(N_("failed"), "bad"),
    AttemptState.WITHDRAWN: State(N_("withdrawn"), "plain"),
    AttemptState.STRAY: State(N_("paid too late, given back"), "plain"),
}
METHODS: Final = {
    MethodStatus.ACTIVE: State(N_("can be charged"), "good"),
    MethodStatus.DEAD: State(N_("dead"), "bad"),
    MethodStatus.REMOVED: State(N_("removed"), "plain"),
}
#: An appointment in words.
NEXT: Final = {
    What.END: N_("it ends"),
    What.RETRY: N_("the charge is tried again"),
    What.GIVE_UP: N_("it ends unpaid"),
    What.HOLD: N_("access ends"),
    What.CHARGE: N_("the saved method is charged"),
    What.LOOK: N_("its payment is asked to report"),
    What.ACCESS: N_("access is extended while the charge is under way"),
    What.NOTICE: N_("the customer is written to"),
}
_EVERY: Final = {
    Unit.DAY: N_("every day"),
    Unit.WEEK: N_("every week"),
    Unit.MONTH: N_("every month"),
    Unit.YEAR: N_("every year"),
}
_ENDS: Final = {
    EndReason.CANCELLED: N_("it was cancelled"),
    EndReason.NON_PAYMENT: N_("it was not paid"),
    EndReason.NEVER_STARTED: N_("the first payment was not made"),
    EndReason.REFUNDED: N_("its period was given back"),
    EndReason.CHARGEBACK: N_("the bank took a payment back"),
    EndReason.NO_METHOD: N_("there is no method to charge"),
}


def sentence(s: SubscriptionSnapshot) -> str:
    """What the subscription is, for somebody who has never seen it."""
    match s.status:
        case Status.INCOMPLETE:
            return gettext("The customer has not paid the first period yet: there is no access.")
        case Status.ENDED:
            return _ended(s)
        case Status.ACTIVE:
            return _active(s)
    assert s.dunning is not None, "it is overdue"
    declined = gettext("The renewal was declined: %(why)s", why=_why(s.dunning.reason))
    if s.status is Status.ON_HOLD:
        back = gettext(
            "There is no access; one payment brings it back until %(time)s.", time=moment(s.dunning.give_up_at)
        )
        return f"{declined} {back}"
    stays = moment(s.dunning.grace_until)
    if s.dunning.retry_at is None:
        return f"{declined} " + gettext("The customer has to pay; access stays until %(time)s.", time=stays)
    again = moment(s.dunning.retry_at)
    return f"{declined} " + gettext("Tried again %(again)s; access stays until %(time)s.", again=again, time=stays)


def _ended(s: SubscriptionSnapshot) -> str:
    why = None if s.end_reason is None else gettext(_ENDS[s.end_reason])
    match s.ended_at, why:
        case None, None:
            return gettext("It ended.")
        case None, _:
            return gettext("It ended: %(why)s.", why=why)
        case at, None:
            return gettext("It ended on %(time)s.", time=moment(at))
        case at, _:
            return gettext("It ended on %(time)s: %(why)s.", time=moment(at), why=why)


def _active(s: SubscriptionSnapshot) -> str:
    until = "" if s.period is None else moment(s.period.end_at)
    if s.cancel_at is not None:
        values = {"until": until, "time": moment(s.cancel_at)}
        if s.cancel_reason is None:
            return gettext("Paid until %(until)s. It ends on %(time)s.", **values)
        why = gettext(_ENDS[s.cancel_reason])
        return gettext("Paid until %(until)s. It ends on %(time)s: %(why)s.", why=why, **values)
    if s.method is None:
        return gettext("Paid until %(until)s; then nothing can be charged.", until=until)
    return gettext(
        "Paid until %(until)s; then %(amount)s is charged at %(provider)s.",
        until=until, amount=sum_of(s.price.amount, s.price.currency), provider=s.method.provider,
    )  # fmt: skip


def next_words(s: SubscriptionSnapshot) -> str:
    """What the scheduler does next."""
    return gettext(N_("nothing") if s.next_action is None else NEXT[What[s.next_action]])


def cadence_words(cadence: Cadence) -> str:
    """``every month``, ``every 3 months``."""
    number = cadence.count
    if number == 1:
        return gettext(_EVERY[cadence.unit])
    match cadence.unit:
        case Unit.DAY:
            return ngettext("every %(count)s day", "every %(count)s days", number, count=number)
        case Unit.WEEK:
            return ngettext("every %(count)s week", "every %(count)s weeks", number, count=number)
        case Unit.MONTH:
            return ngettext("every %(count)s month", "every %(count)s months", number, count=number)
        case Unit.YEAR:
            return ngettext("every %(count)s year", "every %(count)s years", number, count=number)


def _why(reason: str) -> str:
    meaning = gettext(Reason.of(reason).meaning)
    return meaning if meaning.endswith(".") else f"{meaning}."
