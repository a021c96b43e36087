"""A subscription: the standing agreement of one customer for one group of plans, through all its lives."""

from datetime import datetime
from uuid import UUID

import msgspec

from billing.errors import InvariantBroken
from billing.messages.base import ReplyTo
from billing.messages.subscription_events import AttemptView, PeriodView
from billing.orders import Contact, ReturnUrls
from billing.subscriptions.cadence import Anchor
from billing.subscriptions.methods import Method
from billing.subscriptions.prices import Price
from billing.subscriptions.vocabulary import (
    OVERDUE,
    AttemptState,
    Decline,
    EndReason,
    PeriodStatus,
    Purpose,
    Status,
    Trigger,
)


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """Time that is sold, half-open, UTC. Numbered through all lives; a number is used once. ``amount``: minor units.
    ``paid_by``: the payment; ``payment_version``, ``refunded``: what is known of it, minor units."""

    number: int
    life: int
    start_at: datetime
    end_at: datetime
    price_id: UUID
    amount: int
    currency: str
    status: PeriodStatus
    paid_by: UUID
    payment_version: int
    refunded: int = 0


def due_after(period: Period | PeriodView | None) -> int:
    """The number of the period that is to be paid next, where ``period`` is the latest that was paid for."""
    if period is None:
        return 1
    return period.number + (period.status is not PeriodStatus.OPEN)


class Charge(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one open attempt to have period ``period`` paid. ``number`` counts the attempts of the period, from 1. ``amount``:
    minor units. ``look_at``: when the payment is asked to report again. ``reply_to``: the caller who waits for the payment
    page."""

    payment_id: UUID
    purpose: Purpose
    trigger: Trigger
    period: int
    number: int
    amount: int
    currency: str
    provider: str
    method_id: UUID | None
    state: AttemptState
    requested_at: datetime
    look_at: datetime
    payment_version: int = 0
    payment_url: str | None = None
    reply_to: ReplyTo | None = None


class Dunning(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is done about a declined renewal. ``policy``: the one pinned when it began; ``decline``: the worst so far;
    ``automatic``: tries by schedule and policy. ``grace_until`` and ``give_up_at`` are set once and never move later."""

    period: int
    policy: str
    started_at: datetime
    decline: Decline
    reason: str
    automatic: int
    retry_at: datetime | None
    grace_until: datetime
    give_up_at: datetime


class Cancel(msgspec.Struct, frozen=True):
    """The subscription ends at ``at`` (UTC). ``by``: who wished so."""

    at: datetime
    reason: EndReason
    by: str
    asked_at: datetime


class Ended(msgspec.Struct, frozen=True):
    at: datetime
    reason: EndReason


class CommandRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that was carried out. ``refunded``: minor units that it gave back, for the answer to a repeat."""

    id: UUID
    fingerprint: str
    refunded: int = 0


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """The aggregate that the subscriptions agent owns. Times in UTC.

    ``version`` grows by one with every change, ``updated_at`` strictly, over all lives: versions of access signals come
    from it. ``life``: from a start to an end. ``period``: the latest that was paid for. ``access_until``: ``None``: no access;
    ``held_until``: how far a fault of ours extends it. ``postponed_to``: when a charge that failed by a fault of ours is
    made again, ``faults``: how many did. ``told``: the notices that were sent of this period. ``attempts``: the closed ones,
    all of the period that is due and the latest before. ``commands``: the latest, so that a repeat is answered again.
    ``clock_at``: the time of a subscription that lives by test clock ``clock_id``.
    """

    id: UUID
    client_id: str
    customer_id: str
    life: int
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime
    price: Price
    provider: str
    zone: str
    consent_id: UUID
    contact: Contact | None = None
    return_urls: ReturnUrls | None = None
    anchor: Anchor | None = None
    period: Period | None = None
    access_until: datetime | None = None
    method: Method | None = None
    charge: Charge | None = None
    postponed_to: datetime | None = None
    faults: int = 0
    held_until: datetime | None = None
    dunning: Dunning | None = None
    cancel: Cancel | None = None
    ended: Ended | None = None
    told: tuple[str, ...] = ()
    attempts: tuple[AttemptView, ...] = ()
    commands: tuple[CommandRef, ...] = ()
    clock_id: UUID | None = None
    clock_at: datetime | None = None
    metadata: dict[str, str] = {}

    @property
    def due(self) -> int:
        """The number of the period that is to be paid next."""
        return due_after(self.period)

    def attempt(self, payment_id: UUID) -> AttemptView | None:
        """The closed attempt that this payment was; ``None`` for one that is not kept."""
        return next((a for a in self.attempts if a.payment_id == payment_id), None)

    @property
    def tries(self) -> int:
        """How many attempts were made for the period that is due."""
        made = [a.number for a in self.attempts if a.period == self.due]
        if self.charge is not None:
            made.append(self.charge.number)
        return max(made, default=0)

    @property
    def renews(self) -> bool:
        """It will be charged again at the end of its period."""
        return self.method is not None and self.cancel is None and self.status is not Status.ENDED

    def check(self) -> None:
        """Raise :class:`InvariantBroken` where time would be sold twice or a charge made that nobody agreed to. Postgres
        has the same constraints over all attempts and periods."""
        if self.charge is not None:
            if self.status is Status.ENDED:
                raise InvariantBroken(f"{self.id}: a charge is open after the end")
            if self.charge.period != self.due:
                raise InvariantBroken(f"{self.id}: period {self.charge.period} is charged, {self.due} is due")
            if self.charge.purpose is Purpose.RENEWAL and self.charge.method_id is None:
                raise InvariantBroken(f"{self.id}: a renewal without a method")
        if self.status is not Status.ENDED and self.ended is not None:
            raise InvariantBroken(f"{self.id}: ended and {self.status}")
        if (self.dunning is None) == (self.status in OVERDUE):
            raise InvariantBroken(f"{self.id}: dunning and {self.status} contradict each other")
        if self.access_until is not None and self.status not in (Status.ACTIVE, Status.PAST_DUE):
            raise InvariantBroken(f"{self.id}: access while {self.status}")
