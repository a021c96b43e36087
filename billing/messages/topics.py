"""The Kafka topics: names, keys, what they carry. Declared once, here."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from billing.vocabulary import Lane

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``retention_ms``: how long Kafka keeps a message, in milliseconds."""

    name: str
    key: str
    carries: str
    retention_ms: int


INBOX: Final = Topic(
    "billing.payments.inbox", "payment id", "commands, provider results, callbacks of a payment", 14 * DAY_MS
)
REQUESTS: Final = Topic("billing.provider.requests", "payment id", "calls to make to providers", 14 * DAY_MS)
RENEWALS: Final = Topic(
    "billing.provider.renewals", "payment id", "charges of subscriptions' saved methods to make", 14 * DAY_MS
)
CALLBACKS: Final = Topic(
    "billing.provider.callbacks", "provider's order reference", "verified callbacks, raw bytes", 14 * DAY_MS
)
EVENTS: Final = Topic("billing.events", "payment id", "a payment after each change", 14 * DAY_MS)
SUBSCRIPTIONS: Final = Topic(
    "billing.subscriptions.inbox",
    "subscription id",
    "commands, wake-ups and payment outcomes of a subscription",
    14 * DAY_MS,
)
SUBSCRIPTION_EVENTS: Final = Topic(
    "billing.subscription.events", "subscription id", "a subscription after each change", 14 * DAY_MS
)
CLEARING_EVENTS: Final = Topic(
    "billing.clearing.events",
    "provider",
    "business days, discrepancies, payouts of clearing after each change",
    14 * DAY_MS,
)
REPLIES: Final = Topic("billing.replies", "correlation id", "answers to waiting requests", HOUR_MS)
DEAD_LETTERS: Final = Topic("billing.dead-letters", "original key", "messages that cannot be processed", 90 * DAY_MS)

TOPICS: Final = (
    INBOX,
    REQUESTS,
    RENEWALS,
    CALLBACKS,
    EVENTS,
    SUBSCRIPTIONS,
    SUBSCRIPTION_EVENTS,
    CLEARING_EVENTS,
    REPLIES,
    DEAD_LETTERS,
)

#: Lane → the topic of its requests to providers.
REQUEST_TOPICS: Final[MappingProxyType[Lane, Topic]] = MappingProxyType(
    {Lane.INTERACTIVE: REQUESTS, Lane.RENEWAL: RENEWALS}
)

#: Headers of a message on ``billing.provider.callbacks`` (CloudEvents binary mode: the value is the raw body).
CE_SPECVERSION: Final = "ce_specversion"
CE_ID: Final = "ce_id"
CE_TYPE: Final = "ce_type"
CE_SOURCE: Final = "ce_source"
CE_TIME: Final = "ce_time"
CALLBACK_PROVIDER: Final = "provider"
CALLBACK_TYPE: Final = "billing.provider.callback.received.v1"
CONTENT_TYPE: Final = "content-type"
