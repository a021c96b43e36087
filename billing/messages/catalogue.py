"""Which messages travel where: what the AsyncAPI document and its checks are made from."""

from types import MappingProxyType
from typing import Final

from billing.messages.base import Message
from billing.messages.clearing import RecordChargeback, RecordMovement, UndoRefund
from billing.messages.clearing_events import DayCleared, DayClosed, DiscrepancyChanged, LostCallbacks, PayoutStated
from billing.messages.events import PaymentChanged, Reply
from billing.messages.payment_commands import (
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    CreatePayment,
    ExpirePayment,
    FollowUpOperation,
    RefundPayment,
    ReportOutcome,
    RollbackPayment,
    VoidPayment,
    WithdrawCharge,
)
from billing.messages.provider import ProviderCallback, ProviderRequest, ProviderResult
from billing.messages.subscription_commands import (
    CancelSubscription,
    ChangeMethod,
    ExtendPeriod,
    KeepSubscription,
    MethodRemoved,
    PayNow,
    Subscribe,
    Wake,
)
from billing.messages.subscription_events import SubscriptionChanged, SubscriptionReply
from billing.messages.subscriptions import PaymentOutcome
from billing.messages.topics import (
    CALLBACKS,
    CLEARING_EVENTS,
    DEAD_LETTERS,
    EVENTS,
    INBOX,
    RENEWALS,
    REPLIES,
    REQUESTS,
    SUBSCRIPTION_EVENTS,
    SUBSCRIPTIONS,
    Topic,
)

#: Topic → the messages on it, each in an :class:`~billing.messages.Envelope`.
TOPIC_MESSAGES: Final[MappingProxyType[Topic, tuple[type[Message], ...]]] = MappingProxyType(
    {
        INBOX: (
            CreatePayment,
            CapturePayment,
            VoidPayment,
            RefundPayment,
            RollbackPayment,
            ExpirePayment,
            CorrectPayment,
            AmendPayment,
            FollowUpOperation,
            ReportOutcome,
            WithdrawCharge,
            RecordMovement,
            UndoRefund,
            RecordChargeback,
            ProviderResult,
            ProviderCallback,
        ),
        REQUESTS: (ProviderRequest,),
        RENEWALS: (ProviderRequest,),
        EVENTS: (PaymentChanged,),
        REPLIES: (Reply, SubscriptionReply),
        SUBSCRIPTIONS: (
            Subscribe,
            CancelSubscription,
            KeepSubscription,
            PayNow,
            ChangeMethod,
            ExtendPeriod,
            Wake,
            MethodRemoved,
            PaymentOutcome,
        ),
        SUBSCRIPTION_EVENTS: (SubscriptionChanged,),
        CLEARING_EVENTS: (DayCleared, DiscrepancyChanged, LostCallbacks, PayoutStated, DayClosed),
    }
)

#: TYPE → the message of that type.
MESSAGE_TYPES: Final[MappingProxyType[str, type[Message]]] = MappingProxyType(
    {message.TYPE: message for messages in TOPIC_MESSAGES.values() for message in messages}
)

#: Types that the workers of the last release know too. A writer checks any other type before it writes it: a type joins
#: this set one release after the catalogue.
BASELINE_TYPES: Final = frozenset(
    (
        "billing.payment.create.v1",
        "billing.payment.capture.v1",
        "billing.payment.void.v1",
        "billing.payment.refund.v1",
        "billing.payment.rollback.v1",
        "billing.payment.expire.v1",
        "billing.payment.correct.v1",
        "billing.payment.chase.v1",
        "billing.provider.result.v1",
        "billing.provider.callback.v1",
        "billing.provider.request.v1",
        "billing.payment.changed.v1",
        "billing.reply.v1",
    )
)

#: Topics whose values are somebody else's bytes: what they are stands in the headers, all of them texts.
RAW_TOPICS: Final[MappingProxyType[Topic, tuple[str, ...]]] = MappingProxyType(
    {
        CALLBACKS: ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "provider", "content-type"),
        DEAD_LETTERS: ("cause", "consumer", "topic", "partition", "offset"),
    }
)
