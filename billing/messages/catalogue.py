"""Which messages travel where: what the AsyncAPI document and its checks are made from."""

from types import MappingProxyType
from typing import Any, Final

from billing.messages.base import Message
from billing.messages.events import PaymentChanged, Reply
from billing.messages.payment_commands import (
    CapturePayment,
    CorrectPayment,
    CreatePayment,
    ExpirePayment,
    FollowUpOperation,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.messages.provider import ProviderCallback, ProviderRequest, ProviderResult
from billing.messages.topics import CALLBACKS, DEAD_LETTERS, EVENTS, INBOX, REPLIES, REQUESTS, SUBSCRIPTIONS, Topic
from billing.signals import (
    ALLOW_ACCESS_KEY,
    DENY_ACCESS_KEY,
    PAYMENT_FAILED_KEY,
    PAYMENT_SUCCEEDED_KEY,
    PAYMENT_VOIDED_KEY,
    REFUNDED_KEY,
    Access,
    Notification,
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
            FollowUpOperation,
            ProviderResult,
            ProviderCallback,
        ),
        REQUESTS: (ProviderRequest,),
        EVENTS: (PaymentChanged,),
        REPLIES: (Reply,),
        SUBSCRIPTIONS: (),
    }
)

#: TYPE → the message of that type.
MESSAGE_TYPES: Final[MappingProxyType[str, type[Message]]] = MappingProxyType(
    {message.TYPE: message for messages in TOPIC_MESSAGES.values() for message in messages}
)

#: Topics whose values are somebody else's bytes: what they are stands in the headers, all of them texts.
RAW_TOPICS: Final[MappingProxyType[Topic, tuple[str, ...]]] = MappingProxyType(
    {
        CALLBACKS: ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "provider", "content-type"),
        DEAD_LETTERS: ("cause", "consumer", "topic", "partition", "offset"),
    }
)

#: Routing key → the body of the signal.
SIGNAL_BODIES: Final[MappingProxyType[str, type[Any]]] = MappingProxyType(
    {
        ALLOW_ACCESS_KEY: Access,
        DENY_ACCESS_KEY: Access,
        PAYMENT_SUCCEEDED_KEY: Notification,
        PAYMENT_FAILED_KEY: Notification,
        PAYMENT_VOIDED_KEY: Notification,
        REFUNDED_KEY: Notification,
    }
)
