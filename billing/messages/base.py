"""What every message has, and where a reply goes."""

from typing import ClassVar
from uuid import UUID

import msgspec


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of what an envelope carries; every message is about one payment."""

    TYPE: ClassVar[str]

    payment_id: UUID


class ReplyTo(msgspec.Struct, frozen=True):
    """Where a waiting request listens: a partition of ``billing.replies`` and its own id."""

    partition: int
    correlation_id: str
