"""The binding of an aggregate to the delivery machinery: its inbox, and how to load, decide and save."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.messages import Envelope, Message, Refusal
from billing.messages.topics import Topic
from runtime.kafka.publisher import OutboundMessage
from storage.journal.records import JournalRow
from storage.streams.positions import Move

State = TypeVar("State")
Change = TypeVar("Change")


class Decided(msgspec.Struct, Generic[State, Change], frozen=True):
    """What follows from one message.

    ``state``: the aggregate afterwards, ``None`` when there is none; ``version``: its version. ``change``: what
    :meth:`Aggregate.save` needs to write, ``None`` when nothing changed. ``outputs``: journalled with the change, published
    after the commit, and again after a crash. ``reply``: published once and not journalled, because a caller stops
    waiting by its own deadline. ``refusal``: why the command was not carried out.
    """

    state: State | None
    version: int | None
    change: Change | None
    outputs: list[OutboundMessage]
    reply: OutboundMessage | None = None
    refusal: Refusal | None = None


class Aggregate(Protocol[State, Change]):
    """One kind of aggregate, with one inbox."""

    @property
    def consumer(self) -> str:
        """The name under which its positions are kept."""

    @property
    def inbox(self) -> Topic:
        """The topic of its messages, keyed by the id of their subject."""

    @property
    def rules(self) -> int:
        """The version of the rules by which :meth:`decide` decides; the journal keeps it."""

    async def load(self, connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, State]:
        """The aggregates with these ids that exist."""

    def decide(self, state: State | None, message: Message, cause: Envelope, now: datetime) -> Decided[State, Change]:
        """What follows from ``message``, which came in ``cause``, at ``now`` (UTC). Pure. Raises
        :class:`~billing.errors.BillingError` for a message that can never be processed."""

    async def save(
        self,
        connection: AsyncConnection,
        states: Mapping[UUID, State],
        changes: Sequence[Change],
        journal: Sequence[JournalRow],
        moves: Sequence[Move],
    ) -> None:
        """Write a batch and move its positions, all or nothing: ``changes`` in the order in which they were decided,
        with the ``states`` that they led to. Raises :class:`~storage.streams.positions.LostPartition`."""
