"""The states, causes and purposes of a subscription."""

from enum import StrEnum
from typing import Final, Literal


class Status(StrEnum):
    INCOMPLETE = "INCOMPLETE"
    """The first payment is under way; no access."""
    ACTIVE = "ACTIVE"
    """Paid; access to the end of the period, and a little longer when it will renew."""
    PAST_DUE = "PAST_DUE"
    """A renewal was declined; access until the end of the grace time."""
    ON_HOLD = "ON_HOLD"
    """Grace is over; no access, one payment brings it back."""
    ENDED = "ENDED"
    """Final, until the customer subscribes again: then the next life begins."""


#: A renewal is to be paid, and its dunning goes on.
OVERDUE: Final = frozenset((Status.PAST_DUE, Status.ON_HOLD))
#: Started, and not ended.
LIVING: Final = frozenset((Status.ACTIVE, *OVERDUE))


class EndReason(StrEnum):
    CANCELLED = "cancelled"
    """The customer, or support for them."""
    NON_PAYMENT = "non_payment"
    NEVER_STARTED = "never_started"
    """The first payment was not made."""
    REFUNDED = "refunded"
    """The running period was given back whole."""
    CHARGEBACK = "chargeback"
    """The bank took a payment of it back for the customer."""
    NO_METHOD = "no_method"
    """The method was removed or revoked, or the first payment saved none."""


class PeriodStatus(StrEnum):
    PAID = "PAID"
    OPEN = "OPEN"
    """Sold, and found unpaid afterwards."""
    REFUNDED = "REFUNDED"
    """Given back whole, or found unpaid after the end."""
    CUT = "CUT"
    """Paid, and ended before its time."""


class Purpose(StrEnum):
    FIRST = "FIRST"
    """The payment that starts a life; the customer is there."""
    RENEWAL = "RENEWAL"
    """A charge of the saved method, the customer absent."""
    PAY = "PAY"
    """The customer pays a declined renewal on a page."""


class Trigger(StrEnum):
    SCHEDULE = "SCHEDULE"
    RETRY = "RETRY"
    """By the dunning policy."""
    METHOD = "METHOD"
    """The customer changed the method."""
    CUSTOMER = "CUSTOMER"


class AttemptState(StrEnum):
    """How far an attempt got: the states of an open charge, then one of those that are final."""

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    """The provider may have charged; nothing else is tried until it is known."""
    NOT_SENT = "NOT_SENT"
    PAID = "PAID"
    FAILED = "FAILED"
    WITHDRAWN = "WITHDRAWN"
    """Given up by us; what is captured all the same is given back."""
    STRAY = "STRAY"
    """Captured for a period that was not to be paid any more, and given back."""


#: The letters about a subscription. An event of a later release may have others.
NoticeName = Literal[
    "started",
    "renewal_ahead",
    "renewed",
    "payment_failed",
    "action_needed",
    "last_notice",
    "on_hold",
    "recovered",
    "renewal_off",
    "method_expiring",
    "cancelled",
    "kept",
    "ended",
    "refunded",
    "extended",
]


class Decline(StrEnum):
    """Why a charge failed, as far as it decides what happens next (:mod:`billing.subscriptions.dunning`)."""

    SOFT = "SOFT"
    """Money or a bank that was missing today."""
    WEAK = "WEAK"
    """The bank says no and gives no reason."""
    CUSTOMER = "CUSTOMER"
    """Only the customer can help."""
    DEAD = "DEAD"
    """The method will never work again."""
    OURS = "OURS"
    """A fault of ours or of the provider's."""
