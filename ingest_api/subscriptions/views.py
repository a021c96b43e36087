"""Plans, prices and subscriptions as clients see them. Plain dataclasses, as those of payments are."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.messages.subscription_events import (
    AttemptView,
    ChargeView,
    DunningView,
    MethodView,
    PeriodView,
    SubscriptionSnapshot,
)
from billing.subscriptions.cadence import Unit
from billing.subscriptions.calendar import CalendarEntry, Entry
from billing.subscriptions.prices import Price, RefundRule
from billing.subscriptions.vocabulary import (
    AttemptState,
    Decline,
    EndReason,
    PeriodStatus,
    Purpose,
    Status,
    Trigger,
)
from billing.vocabulary import Tax
from storage.subscriptions.plans import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView:
    """One version of what a plan costs. It never changes."""

    id: UUID
    plan: str
    version: int
    title: str
    currency: str
    amount: int
    interval: Unit
    interval_count: int
    products: tuple[str, ...]
    tax: Tax
    refund_on_cancel: RefundRule


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What customers subscribe to. ``prices``: all versions, by currency, the newest first."""

    id: str
    group: str
    title: str
    prices: tuple[PriceView, ...]
    created_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanList:
    """The client's plans, by id."""

    data: tuple[PlanView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodOut:
    """Time that is sold: from ``start_at`` up to, not including, ``end_at``."""

    number: int
    life: int
    start_at: datetime
    end_at: datetime
    status: PeriodStatus
    amount: int
    currency: str
    price: UUID
    payment: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodList:
    """The periods of a subscription, through all its lives, oldest first."""

    data: tuple[PeriodOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOut:
    """One payment tried for a period."""

    payment: UUID
    period: int
    number: int
    purpose: Purpose
    trigger: Trigger
    state: AttemptState
    amount: int
    currency: str
    provider: str
    payment_method: UUID | None
    decline: Decline | None
    reason: str | None
    requested_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptList:
    """The attempts of a subscription, by period."""

    data: tuple[AttemptOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestPayment:
    """The payment that is under way. ``payment_url``: where the customer pays it."""

    id: UUID
    period: int
    attempt: int
    purpose: Purpose
    state: AttemptState
    amount: int
    requested_at: datetime
    payment_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedMethod:
    """The saved payment method that is charged."""

    id: UUID
    provider: str
    title: str | None
    expires_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DunningOut:
    """What is done about a declined renewal."""

    period: int
    decline: Decline
    reason: str
    attempts: int
    next_try_at: datetime | None
    grace_until: datetime
    gives_up_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What happens next by itself."""

    kind: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription. Amounts: minor units of the price's currency; times: RFC 3339, UTC."""

    id: UUID
    status: Status
    version: int
    life: int
    customer_id: str
    plan: str
    price: PriceView
    provider: str
    zone: str
    billing_day: int | None
    current_period: PeriodOut | None
    access_until: datetime | None
    payment_method: ChargedMethod | None
    latest_payment: LatestPayment | None
    dunning: DunningOut | None
    cancel_at: datetime | None
    cancel_reason: EndReason | None
    ended_at: datetime | None
    end_reason: EndReason | None
    next_action: NextAction | None
    test_clock: UUID | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPage:
    """Subscriptions, newest first. ``next_cursor`` is null on the last page."""

    data: tuple[SubscriptionView, ...]
    has_more: bool
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSubscription:
    """An accepted command whose outcome is not known yet: it is stored."""

    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationView:
    """What a cancellation does: ``refunded`` is given back, access stays until ``access_until``. ``subscription``: after
    it; null in a preview."""

    refunded: int
    currency: str
    ends_at: datetime
    access_until: datetime | None
    subscription: SubscriptionView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastEntry:
    """One thing that is to happen."""

    at: datetime
    local: datetime
    what: Entry
    detail: str | None
    period: int | None
    amount: int | None
    currency: str
    status: Status
    access_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to happen to a subscription if every charge is paid and nobody sends a command, in order."""

    data: tuple[ForecastEntry, ...]


def price_view(price: Price) -> PriceView:
    """A price as clients see it."""
    return PriceView(
        id=price.id,
        plan=price.plan,
        version=price.version,
        title=price.title,
        currency=price.currency,
        amount=price.amount,
        interval=price.cadence.unit,
        interval_count=price.cadence.count,
        products=price.products,
        tax=price.tax,
        refund_on_cancel=price.refund_on_cancel,
    )


def plan_view(plan: Plan) -> PlanView:
    """A plan as clients see it."""
    return PlanView(
        id=plan.id,
        group=plan.group,
        title=plan.title,
        prices=tuple(map(price_view, plan.prices)),
        created_at=plan.created_at,
        archived_at=plan.archived_at,
    )


def subscription_view(s: SubscriptionSnapshot) -> SubscriptionView:
    """A subscription as clients see it: a snapshot of the agent's, or of the committed state."""
    return SubscriptionView(
        id=s.subscription_id,
        status=s.status,
        version=s.version,
        life=s.life,
        customer_id=s.customer_id,
        plan=s.price.plan,
        price=price_view(s.price),
        provider=s.provider,
        zone=s.zone,
        billing_day=s.billing_day,
        current_period=None if s.period is None else period_out(s.period),
        access_until=s.access_until,
        payment_method=None if s.method is None else _method(s.method),
        latest_payment=None if s.charge is None else _payment(s.charge),
        dunning=None if s.dunning is None else _dunning(s.dunning),
        cancel_at=s.cancel_at,
        cancel_reason=s.cancel_reason,
        ended_at=s.ended_at,
        end_reason=s.end_reason,
        next_action=None
        if s.next_action is None or s.next_action_at is None
        else NextAction(kind=s.next_action, at=s.next_action_at),
        test_clock=s.clock_id,
        metadata=s.metadata,
        created_at=s.created_at,
        updated_at=s.changed_at,
    )


def cancellation_view(s: SubscriptionSnapshot, refunded: int, *, is_preview: bool = False) -> CancellationView:
    """What a cancellation leads to. ``s``: the subscription after it."""
    ends_at = s.cancel_at or s.ended_at
    assert ends_at is not None, "a cancelled subscription ends"
    return CancellationView(
        refunded=refunded,
        currency=s.price.currency,
        ends_at=ends_at,
        access_until=s.access_until,
        subscription=None if is_preview else subscription_view(s),
    )


def period_out(period: PeriodView) -> PeriodOut:
    """A period as clients see it."""
    return PeriodOut(
        number=period.number,
        life=period.life,
        start_at=period.start_at,
        end_at=period.end_at,
        status=period.status,
        amount=period.amount,
        currency=period.currency,
        price=period.price_id,
        payment=period.paid_by,
    )


def attempt_out(attempt: AttemptView) -> AttemptOut:
    """An attempt as clients see it."""
    return AttemptOut(
        payment=attempt.payment_id,
        period=attempt.period,
        number=attempt.number,
        purpose=attempt.purpose,
        trigger=attempt.trigger,
        state=attempt.state,
        amount=attempt.amount,
        currency=attempt.currency,
        provider=attempt.provider,
        payment_method=attempt.method_id,
        decline=attempt.decline,
        reason=attempt.reason,
        requested_at=attempt.requested_at,
        ended_at=attempt.ended_at,
    )


def forecast_entry(entry: CalendarEntry) -> ForecastEntry:
    """An entry of the calendar as clients see it."""
    return ForecastEntry(
        at=entry.at,
        local=entry.local,
        what=entry.what,
        detail=entry.detail,
        period=entry.period,
        amount=entry.amount,
        currency=entry.currency,
        status=entry.status,
        access_until=entry.access_until,
    )


def _method(method: MethodView) -> ChargedMethod:
    return ChargedMethod(
        id=method.id, provider=method.provider, title=method.title or None, expires_on=method.expires_on
    )


def _payment(charge: ChargeView) -> LatestPayment:
    return LatestPayment(
        id=charge.payment_id,
        period=charge.period,
        attempt=charge.number,
        purpose=charge.purpose,
        state=charge.state,
        amount=charge.amount,
        requested_at=charge.requested_at,
        payment_url=charge.payment_url,
    )


def _dunning(dunning: DunningView) -> DunningOut:
    return DunningOut(
        period=dunning.period,
        decline=dunning.decline,
        reason=dunning.reason,
        attempts=dunning.tries,
        next_try_at=dunning.retry_at,
        grace_until=dunning.grace_until,
        gives_up_at=dunning.give_up_at,
    )
