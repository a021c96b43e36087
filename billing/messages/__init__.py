"""Everything that travels through Kafka: the messages, their envelope, the topics.

A message is a frozen struct with a ``TYPE``; the envelope carries it with an id, a time and a trace. Ids are
deterministic wherever the same message may be written twice, so that consumers recognise a repeat.
"""

from billing.messages.base import Message, PaymentMessage, ReplyTo
from billing.messages.catalogue import MESSAGE_TYPES
from billing.messages.envelope import Envelope, decode_envelope
from billing.messages.events import ItemView, OperationView, PaymentChanged, PaymentSnapshot, Refusal, Reply
from billing.messages.payment_commands import (
    CapturePayment,
    CorrectPayment,
    CreatePayment,
    ExpirePayment,
    FollowUpOperation,
    RefundLine,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.messages.provider import (
    Books,
    Observation,
    ObservedOperation,
    ProviderCallback,
    ProviderReason,
    ProviderRequest,
    ProviderResult,
)

__all__ = [
    "MESSAGE_TYPES",
    "Books",
    "CapturePayment",
    "CorrectPayment",
    "CreatePayment",
    "Envelope",
    "ExpirePayment",
    "FollowUpOperation",
    "ItemView",
    "Message",
    "Observation",
    "ObservedOperation",
    "OperationView",
    "PaymentChanged",
    "PaymentMessage",
    "PaymentSnapshot",
    "ProviderCallback",
    "ProviderReason",
    "ProviderRequest",
    "ProviderResult",
    "RefundLine",
    "RefundPayment",
    "Refusal",
    "Reply",
    "ReplyTo",
    "RollbackPayment",
    "VoidPayment",
    "decode_envelope",
]
