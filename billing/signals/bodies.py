"""What a signal is: its routing key, its body, its ids."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from billing.clearing.discrepancies import Kind, Severity, State
from billing.messages.events import ItemView

#: The routing keys. The exchange is a topic exchange: consumers bind ``auth.*``, ``notify.*`` or ``finance.*``.
ALLOW_ACCESS_KEY: Final = "auth.allow_access"
DENY_ACCESS_KEY: Final = "auth.deny_access"
PAYMENT_SUCCEEDED_KEY: Final = "notify.payment_succeeded"
PAYMENT_FAILED_KEY: Final = "notify.payment_failed"
PAYMENT_VOIDED_KEY: Final = "notify.payment_voided"
REFUNDED_KEY: Final = "notify.refunded"
DISCREPANCY_FOUND_KEY: Final = "finance.discrepancy_found"
STATEMENT_MISSING_KEY: Final = "finance.statement_missing"
DAY_CLOSED_KEY: Final = "finance.day_closed"
CHARGEBACK_KEY: Final = "finance.chargeback"

_SUBSCRIPTION: Final = "notify.subscription_"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class AccessAction(StrEnum):
    ALLOW_ACCESS = "ALLOW_ACCESS"
    DENY_ACCESS = "DENY_ACCESS"


class Access(msgspec.Struct, frozen=True):
    """Open or close a customer's access to products.

    ``version`` belongs to each (customer, product) of the signal: a consumer ignores a signal whose version is not
    above the last one it applied for that customer, product and payment. It is the time of the change in
    microseconds since 1970 (UTC): strictly growing within a payment, and across payments as well as the workers'
    clocks agree. A customer who bought a product twice keeps it while one of the payments stands, so grants are kept
    by payment (``docs/signals.md``).
    ``valid_until``: end of the access (UTC); ``None`` for access without an end.
    ``subscription_id``: the subscription that grants the access. ``payment_id``, the name of the grant, has the same
    value then, over all lives of the subscription.
    """

    action: AccessAction
    customer_id: str
    products: tuple[str, ...]
    payment_id: UUID
    version: int
    reason: str
    valid_until: datetime | None = None
    subscription_id: UUID | None = None


class NotificationData(msgspec.Struct, frozen=True):
    """The values for a template. ``amount``: minor units of ``currency``; the amount moved, or, where none was, the
    amount requested. ``reason``: why the payment failed (docs/reasons.md)."""

    payment_id: UUID
    amount: int
    currency: str
    items: tuple[ItemView, ...]
    reason: str | None = None


class Notification(msgspec.Struct, frozen=True):
    """A notification to a customer: ``template`` names the text, ``data`` fills it."""

    template: str
    customer_id: str
    data: NotificationData


class SubscriptionNotificationData(msgspec.Struct, frozen=True):
    """The values for a template. ``title``: the plan's. ``amount``: minor units of ``currency``, the price of a period or
    what was given back. Times in UTC: ``at``: when that happens which is announced; ``access_until``: end of the access;
    ``ends_at``: end of the subscription; ``next_try_at``: the next charge. ``reason``: why the payment failed
    (docs/reasons.md), or why the subscription ended. ``method_title``: brand and last digits. ``null``: not known, or
    there is none."""

    subscription_id: UUID
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


class SubscriptionNotification(msgspec.Struct, frozen=True):
    """A notification to a subscriber: ``template`` names the text, ``data`` fills it."""

    template: str
    customer_id: str
    data: SubscriptionNotificationData


class Discrepancy(msgspec.Struct, frozen=True):
    """A difference between a provider's statement and our books that somebody has to look at, by ``due_at`` (UTC).
    ``business_date``: of the provider, on which it was found. ``ours``, ``theirs``: signed minor units of ``currency``.
    ``null``: not known, or there is none. What the kinds mean: docs/clearing.md."""

    discrepancy_id: UUID
    version: int
    provider: str
    business_date: date
    kind: Kind
    severity: Severity
    state: State
    payment_id: UUID | None = None
    operation_id: UUID | None = None
    currency: str | None = None
    ours: int | None = None
    theirs: int | None = None
    due_at: datetime | None = None


class StatementMissing(msgspec.Struct, frozen=True):
    """A provider has no statement of a business day, long after its end. ``due_at``: by when somebody has to act (UTC)."""

    discrepancy_id: UUID
    provider: str
    business_date: date
    due_at: datetime | None = None


class Chargeback(msgspec.Struct, frozen=True):
    """The bank took money of a payment back, or, where ``undone``, returned it. ``amount``: minor units of ``currency``.
    ``provider_ref``: the provider's id of the dispute."""

    payment_id: UUID
    operation_id: UUID
    order_id: UUID
    customer_id: str
    provider: str
    amount: int
    currency: str
    undone: bool
    provider_ref: str | None = None


class BooksDay(msgspec.Struct, frozen=True):
    """A day of the books was closed, by whom. ``entries``: of the ledger. ``hash``: of its record, hexadecimal."""

    accounting_date: date
    closed_by: str
    entries: int
    hash: str


class Signal(msgspec.Struct, frozen=True):
    """One message to other services. ``payment_id``: the payment, or the subscription, as in :class:`Access`, or what else
    the signal is about; ``occurred_at``: when it changed (UTC)."""

    routing_key: str
    message_id: str
    type: str
    payment_id: UUID
    occurred_at: datetime
    body: Access | Notification | SubscriptionNotification | Discrepancy | StatementMissing | Chargeback | BooksDay


def signal_type(routing_key: str) -> str:
    """Name and version of a signal's body, the value of its ``type`` property."""
    return f"billing.signals.{routing_key}.v1"


def access_version(changed_at: datetime) -> int:
    """The version of an access signal: microseconds since 1970 (UTC)."""
    return (changed_at - _EPOCH) // _MICROSECOND


def notice_key(name: str) -> str:
    """The routing key of a subscription's notice."""
    return f"{_SUBSCRIPTION}{name}"


def template_of(routing_key: str) -> str:
    """The template of a notification."""
    return routing_key.removeprefix("notify.")
