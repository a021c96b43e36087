"""What others see of a subscription: its snapshot, the event of a change on `billing.subscription.events`, the reply."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import Message, SubscriptionMessage
from billing.messages.events import Refusal
from billing.subscriptions.prices import Price
from billing.subscriptions.vocabulary import (
    AttemptState,
    Decline,
    EndReason,
    PeriodStatus,
    Purpose,
    Status,
    Trigger,
)


class PeriodView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Time that is sold, half-open, UTC. ``amount``: minor units."""

    number: int
    life: int
    start_at: datetime
    end_at: datetime
    price_id: UUID
    amount: int
    currency: str
    status: PeriodStatus
    paid_by: UUID


class AttemptView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One payment tried for a period; ``number`` counts them from 1. ``amount``: minor units. ``decline``, ``reason``: why
    it failed."""

    payment_id: UUID
    period: int
    number: int
    purpose: Purpose
    trigger: Trigger
    state: AttemptState
    amount: int
    currency: str
    provider: str
    requested_at: datetime
    method_id: UUID | None = None
    ended_at: datetime | None = None
    decline: Decline | None = None
    reason: str | None = None


class ChargeView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The open attempt. ``payment_url``: where the customer pays it, if they do."""

    payment_id: UUID
    period: int
    number: int
    purpose: Purpose
    state: AttemptState
    amount: int
    requested_at: datetime
    payment_url: str | None = None


class MethodView(msgspec.Struct, frozen=True, omit_defaults=True):
    id: UUID
    provider: str
    title: str
    expires_on: date | None = None


class DunningView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is done about a declined renewal. ``tries``: automatic ones so far."""

    period: int
    decline: Decline
    reason: str
    tries: int
    grace_until: datetime
    give_up_at: datetime
    retry_at: datetime | None = None


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A letter to the customer, decided together with the change that it reports. ``name``: the template. ``amount``: minor units of
    ``currency``; times in UTC. ``at``: when what it announces happens."""

    name: str
    plan: str
    title: str
    amount: int
    currency: str
    at: datetime | None = None
    access_until: datetime | None = None
    ends_at: datetime | None = None
    next_try_at: datetime | None = None
    reason: str | None = None
    method_title: str | None = None


class AccessView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Access before and after a change: products, and until when (UTC)."""

    products: tuple[str, ...]
    before: tuple[str, ...]
    valid_until: datetime | None = None
    valid_before: datetime | None = None


class SubscriptionSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a subscription is at one moment. ``version`` orders the snapshots of one subscription, over all its lives."""

    subscription_id: UUID
    version: int
    status: Status
    client_id: str
    customer_id: str
    life: int
    price: Price
    provider: str
    zone: str
    created_at: datetime
    changed_at: datetime
    billing_day: int | None = None
    period: PeriodView | None = None
    access_until: datetime | None = None
    method: MethodView | None = None
    charge: ChargeView | None = None
    dunning: DunningView | None = None
    cancel_at: datetime | None = None
    cancel_reason: EndReason | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    next_action: str | None = None
    next_action_at: datetime | None = None
    clock_id: UUID | None = None
    metadata: dict[str, str] = {}


class SubscriptionChanged(SubscriptionSnapshot, Message, frozen=True, omit_defaults=True):
    """A subscription after one decision, and what the decision changed: ``attempts`` and ``periods`` that it made or moved,
    ``access``, ``notices`` to send. ``arr_before``, ``arr_after``: the yearly run rate, minor units; ``movement``: why it
    changed. ``previous_status`` is missing where the decision created the subscription."""

    TYPE: ClassVar[str] = "billing.subscription.changed.v1"

    previous_status: Status | None = None
    attempts: tuple[AttemptView, ...] = ()
    periods: tuple[PeriodView, ...] = ()
    access: AccessView | None = None
    notices: tuple[Notice, ...] = ()
    arr_before: int = 0
    arr_after: int = 0
    movement: str | None = None

    @property
    def subject_id(self) -> UUID:
        """The subscription's id."""
        return self.subscription_id


class SubscriptionReply(SubscriptionMessage, frozen=True, omit_defaults=True):
    """The reply to a waiting caller: the subscription after the command, or why the command was refused. ``replayed``: the
    command was processed before. ``refunded``: minor units that a cancellation gives back."""

    TYPE: ClassVar[str] = "billing.subscription.reply.v1"

    correlation_id: str
    subscription: SubscriptionSnapshot | None = None
    refusal: Refusal | None = None
    replayed: bool = False
    refunded: int = 0
