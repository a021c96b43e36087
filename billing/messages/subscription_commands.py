"""Commands to a subscription: `billing.subscriptions.inbox`, keyed by subscription id."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from billing.messages.base import ReplyTo, SubscriptionMessage
from billing.messages.payment_commands import Approval
from billing.orders import Contact, ReturnUrls
from billing.subscriptions.methods import Method
from billing.subscriptions.prices import Price, RefundRule


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the customer agreed to: the hash of the terms, and what was shown. ``address``, ``agent``: from where."""

    id: UUID
    terms_sha256: str
    shown: dict[str, str] = {}
    address: str | None = None
    agent: str | None = None


class When(StrEnum):
    AT_END = "AT_END"
    """At the end of the period that is paid for."""
    NOW = "NOW"


class ProviderState(StrEnum):
    """What the renewal job saw of the provider when it woke the subscription."""

    OK = "OK"
    OFF = "OFF"
    """Switched off by an operator."""
    HELD = "HELD"
    """Its breaker is open."""


class SubscriptionCommand(SubscriptionMessage, frozen=True, omit_defaults=True, kw_only=True):
    """Base of what a client or an operator asks. ``command_id``: derived from the idempotency key, so that a repeat is
    recognised; ``fingerprint``: SHA-256 of the canonical request, which tells a repeat from another request under the same
    key. ``at``: the time by which it is judged, where the subscription lives by a test clock. ``if_version``: the version of
    the subscription that a person saw; the command is refused as ``version_changed`` at another one. ``approval``: of the
    second person where one is needed."""

    command_id: UUID
    fingerprint: str = ""
    at: datetime | None = None
    reply_to: ReplyTo | None = None
    if_version: int | None = None
    approval: Approval | None = None


class Subscribe(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """Begin a life, with its first payment. ``method``: charge this saved method instead of opening a page. ``replace``: give up a first payment that is open. ``payment_ttl_s``: seconds
    that the page stays open."""

    TYPE: ClassVar[str] = "billing.subscription.subscribe.v1"

    client_id: str
    customer_id: str
    price: Price
    provider: str
    zone: str
    consent: Consent
    contact: Contact | None = None
    return_urls: ReturnUrls | None = None
    method: Method | None = None
    replace: bool = False
    payment_ttl_s: int = 1800
    clock_id: UUID | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


class CancelSubscription(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """End it. ``refund``: with :attr:`When.NOW`, what is given back; ``None``: what the price says. ``by``: who asks."""

    TYPE: ClassVar[str] = "billing.subscription.cancel.v1"

    when: When = When.AT_END
    refund: RefundRule | None = None
    by: str = "customer"
    comment: str | None = None


class KeepSubscription(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """Take a cancellation back. ``operator``, ``reason``: of a person at work."""

    TYPE: ClassVar[str] = "billing.subscription.keep.v1"

    operator: str | None = None
    reason: str | None = None


class PayNow(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """The customer pays a declined renewal on a page; the method paid with is saved. ``operator``, ``reason``: of a person
    at work who opens the page for them."""

    TYPE: ClassVar[str] = "billing.subscription.pay_now.v1"

    provider: str
    return_urls: ReturnUrls | None = None
    payment_ttl_s: int = 1800
    operator: str | None = None
    reason: str | None = None


class ChangeMethod(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """Charge another saved method of the customer from now on."""

    TYPE: ClassVar[str] = "billing.subscription.change_method.v1"

    method: Method


class ExtendPeriod(SubscriptionCommand, frozen=True, omit_defaults=True, kw_only=True):
    """Support gives time: the period, or a new one where none runs, ends at ``until`` (UTC)."""

    TYPE: ClassVar[str] = "billing.subscription.extend.v1"

    until: datetime
    operator: str
    reason: str


class Wake(SubscriptionMessage, frozen=True, omit_defaults=True, kw_only=True):
    """It is ``at`` (UTC, by Postgres' clock): do what is due. Carries no decision, so repeats are harmless.
    ``method_tries``: charges of the method in the last 30 days over all subscriptions, ``method_tried_at``: the last."""

    TYPE: ClassVar[str] = "billing.subscription.wake.v1"

    at: datetime
    provider_state: ProviderState = ProviderState.OK
    method_tries: int = 0
    method_tried_at: datetime | None = None


class MethodRemoved(SubscriptionMessage, frozen=True, omit_defaults=True, kw_only=True):
    """The customer, or the provider, removed a saved method."""

    TYPE: ClassVar[str] = "billing.subscription.method_removed.v1"

    method_id: UUID
    at: datetime
