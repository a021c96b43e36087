"""Everything that travels through Kafka: the messages, their envelope, the topics.

A message is a frozen struct with a ``TYPE``; the envelope carries it with an id, a time and a trace. Ids are
deterministic wherever the same message may be written twice, so that consumers recognise a repeat.
"""

from billing.messages.base import Message, PaymentMessage, ReplyTo, SubscriptionMessage
from billing.messages.catalogue import MESSAGE_TYPES
from billing.messages.clearing import RecordChargeback, RecordMovement, UndoRefund
from billing.messages.envelope import Envelope, decode_envelope
from billing.messages.events import ItemView, OperationView, PaymentChanged, PaymentSnapshot, Refusal, Reply
from billing.messages.payment_commands import (
    NOT_OF_ANOTHER,
    AmendPayment,
    Approval,
    CapturePayment,
    CorrectPayment,
    CreatePayment,
    ExpirePayment,
    FollowUpOperation,
    RefundLine,
    RefundPayment,
    ReportOutcome,
    RollbackPayment,
    VoidPayment,
    WithdrawCharge,
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
from billing.messages.subscriptions import PaymentOutcome

__all__ = [
    "MESSAGE_TYPES",
    "NOT_OF_ANOTHER",
    "AmendPayment",
    "Approval",
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
    "PaymentOutcome",
    "PaymentSnapshot",
    "ProviderCallback",
    "ProviderReason",
    "ProviderRequest",
    "ProviderResult",
    "RecordChargeback",
    "RecordMovement",
    "RefundLine",
    "RefundPayment",
    "Refusal",
    "Reply",
    "ReplyTo",
    "ReportOutcome",
    "RollbackPayment",
    "SubscriptionMessage",
    "UndoRefund",
    "VoidPayment",
    "WithdrawCharge",
    "decode_envelope",
]
