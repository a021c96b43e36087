"""An event as a sink reads it, and the batch in which it is delivered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from aiokafka import ConsumerRecord, TopicPartition

from billing.errors import InvalidMessage
from billing.messages import PaymentChanged, decode_envelope
from billing.messages.clearing_events import ClearingMessage
from billing.messages.subscription_events import SubscriptionChanged

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a payment, a subscription or in clearing, its position in its topic and its trace (W3C ``traceparent``)."""

    topic: str
    partition: int
    offset: int
    change: PaymentChanged | SubscriptionChanged | ClearingMessage
    traceparent: str | None = None

    @property
    def source(self) -> TopicPartition:
        """Its topic and partition."""
        return TopicPartition(self.topic, self.partition)

    @property
    def happened_at(self) -> datetime | None:
        """When the change was made (UTC); ``None`` where only a test clock knows, and of clearing, whose events are
        published seconds after the change."""
        of_test_clock = isinstance(self.change, SubscriptionChanged) and self.change.clock_id is not None
        return None if of_test_clock or isinstance(self.change, ClearingMessage) else self.change.changed_at


def read_event(record: ConsumerRecord) -> Event:
    """Decode a record; :class:`~billing.errors.InvalidMessage` when it can never be read."""
    if record.value is None:
        raise InvalidMessage("the message has no value")
    envelope = decode_envelope(record.value)
    change = envelope.open()
    if not isinstance(change, PaymentChanged | SubscriptionChanged | ClearingMessage):
        raise InvalidMessage(f"{envelope.type} is not an event")
    return Event(record.topic, record.partition, record.offset, change, envelope.traceparent)


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """The events of one delivery, in the order of their partitions, each translated for the destination.

    ``ranges``: topic and partition → (first offset, offset after the last) that the batch covers, dead letters included:
    equal ranges mean an equal batch.
    """

    ranges: Mapping[TopicPartition, tuple[int, int]]
    events: tuple[Event, ...]
    contents: tuple[T, ...]

    def halves(self) -> "tuple[Batch[T], Batch[T]]":
        """Two batches, each covering the offsets of its own events."""
        middle = len(self.events) // 2
        return self._part(slice(middle)), self._part(slice(middle, None))

    def _part(self, part: slice) -> "Batch[T]":
        ranges: dict[TopicPartition, tuple[int, int]] = {}
        for event in self.events[part]:
            first, _ = ranges.get(event.source, (event.offset, 0))
            ranges[event.source] = (first, event.offset + 1)
        return Batch(ranges, self.events[part], self.contents[part])


class PayloadRejected(Exception):
    """A destination will never accept a batch: at least one of its values is invalid."""


class Destination(Protocol[T]):
    """Receives the batches of a sink."""

    async def deliver(self, batch: Batch[T]) -> None:
        """Return once all of the batch is safe there. Raises :class:`~runtime.retry.DependencyUnavailable` to be tried again with
        the same batch, :class:`PayloadRejected` for one that will never be taken; must end in bounded time."""

    async def close(self) -> None:
        """Disconnect."""
