"""What every message has, and where a reply goes."""

from typing import ClassVar
from uuid import UUID

import msgspec


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of what an envelope carries. Every message has one subject: the aggregate it is about."""

    TYPE: ClassVar[str]

    @property
    def subject_id(self) -> UUID:
        """The id of the subject."""
        raise NotImplementedError


class PaymentMessage(Message, frozen=True, omit_defaults=True):
    """Base of the messages about a payment."""

    payment_id: UUID

    @property
    def subject_id(self) -> UUID:
        """The payment's id."""
        return self.payment_id


class SubscriptionMessage(Message, frozen=True, omit_defaults=True):
    """Base of the messages about a subscription."""

    subscription_id: UUID

    @property
    def subject_id(self) -> UUID:
        """The subscription's id."""
        return self.subscription_id


class ReplyTo(msgspec.Struct, frozen=True):
    """Where a waiting request listens: a partition of ``billing.replies`` and its own id."""

    partition: int
    correlation_id: str
