"""Plans, subscriptions and test clocks: requests and responses. Amounts: minor units of the price's currency; times: UTC."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from billing_client.models import Contact, ReturnUrls


class SubscriptionStatus(StrEnum):
    INCOMPLETE = "INCOMPLETE"
    """The first payment is open; no access."""
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    """A renewal was declined; access lasts until ``access_until``."""
    ON_HOLD = "ON_HOLD"
    """No access until it is paid."""
    ENDED = "ENDED"
    OTHER = "OTHER"
    """A state that a later release of the service added."""

    @classmethod
    def _missing_(cls, _value: object) -> "SubscriptionStatus":
        return cls.OTHER


class NewPrice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The next version of what a plan costs. ``amount``: a period, tax included; ``products``: what it gives access to."""

    currency: str
    amount: int
    products: Sequence[str]
    interval: Literal["DAY", "WEEK", "MONTH", "YEAR"] = "MONTH"
    interval_count: int = 1
    tax: str = "none"
    refund_on_cancel: Literal["NONE", "PRORATED", "FULL"] = "PRORATED"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A version of what a plan costs. It never changes."""

    id: UUID
    plan: str
    version: int
    title: str
    currency: str
    amount: int
    interval: str
    interval_count: int
    products: tuple[str, ...]
    tax: str
    refund_on_cancel: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What customers subscribe to. ``prices``: all versions, by currency, the newest first."""

    id: str
    group: str
    title: str
    prices: tuple[Price, ...]
    created_at: datetime
    archived_at: datetime | None


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the customer agreed to. ``terms_sha256``: of the terms that were shown, hex; ``address``, ``agent``: the
    customer's."""

    terms_sha256: str
    shown: Mapping[str, str] = {}
    address: str | None = None
    agent: str | None = None


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A subscription to begin: to ``price``, or to the newest price of ``plan`` in ``currency``. ``payment_method_id``:
    charge this saved method instead of opening a page. ``replace``: give up a first payment that is open."""

    customer_id: str
    consent: Consent
    price: UUID | None = None
    plan: str | None = None
    currency: str | None = None
    provider: str | None = None
    country: str | None = None
    method: str | None = None
    payment_method_id: UUID | None = None
    contact: Contact | None = None
    return_urls: ReturnUrls | None = None
    replace: bool = False
    metadata: Mapping[str, str] = {}
    test_clock: UUID | None = None


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Time that is sold, half-open. ``payment``: what paid it."""

    number: int
    life: int
    start_at: datetime
    end_at: datetime
    status: str
    amount: int
    currency: str
    price: UUID
    payment: UUID


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One payment tried for a period."""

    payment: UUID
    period: int
    number: int
    purpose: str
    trigger: str
    state: str
    amount: int
    currency: str
    provider: str
    payment_method: UUID | None
    decline: str | None
    reason: str | None
    requested_at: datetime
    ended_at: datetime | None


class LatestPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The payment that is under way. ``payment_url``: where the customer pays it."""

    id: UUID
    period: int
    attempt: int
    purpose: str
    state: str
    amount: int
    requested_at: datetime
    payment_url: str | None


class ChargedMethod(msgspec.Struct, frozen=True, kw_only=True):
    """The saved method that is charged."""

    id: UUID
    provider: str
    title: str | None
    expires_on: date | None


class Dunning(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about a declined renewal."""

    period: int
    decline: str
    reason: str
    attempts: int
    next_try_at: datetime | None
    grace_until: datetime
    gives_up_at: datetime


class NextAction(msgspec.Struct, frozen=True, kw_only=True):
    """What happens next by itself."""

    kind: str
    at: datetime


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as committed."""

    id: UUID
    status: SubscriptionStatus
    version: int
    life: int
    customer_id: str
    plan: str
    price: Price
    provider: str
    zone: str
    billing_day: int | None
    current_period: Period | None
    access_until: datetime | None
    payment_method: ChargedMethod | None
    latest_payment: LatestPayment | None
    dunning: Dunning | None
    cancel_at: datetime | None
    cancel_reason: str | None
    ended_at: datetime | None
    end_reason: str | None
    next_action: NextAction | None
    test_clock: UUID | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted subscription. ``subscription``: ``None`` while its outcome is unknown; the ``payment_url`` of its
    ``latest_payment`` is ``None`` until the provider has given the page."""

    id: UUID
    subscription: Subscription | None


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """What a cancellation does. ``refunded``: minor units given back. ``subscription``: after it; ``None`` in a preview."""

    refunded: int
    currency: str
    ends_at: datetime
    access_until: datetime | None
    subscription: Subscription | None


class ForecastEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is to happen. ``local``: the same moment in the subscription's zone."""

    at: datetime
    local: datetime
    what: str
    detail: str | None
    period: int | None
    amount: int | None
    currency: str
    status: SubscriptionStatus
    access_until: datetime | None


class ClockStatus(StrEnum):
    READY = "READY"
    ADVANCING = "ADVANCING"
    OTHER = "OTHER"
    """A status that a later release of the service added."""

    @classmethod
    def _missing_(cls, _value: object) -> "ClockStatus":
        return cls.OTHER


class TestClock(msgspec.Struct, frozen=True, kw_only=True):
    """A time of its own for some subscriptions. It stands at ``now_at``, or is on its way to ``target_at``.
    ``charges_open``: charges of its subscriptions under way, which it waits for."""

    __test__ = False  # keeps pytest from collecting it

    id: UUID
    name: str
    status: ClockStatus
    now_at: datetime
    target_at: datetime
    subscriptions: int
    charges_open: int
    created_at: datetime
