"""Clients that listen to a payment, and the one consumer of ``billing.events`` that feeds them all."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from billing.errors import InvalidMessage
from billing.messages import PaymentChanged, decode_envelope
from billing.messages.topics import EVENTS, Topic
from ingest_api.metrics import Metrics
from runtime.kafka.tail import follow
from runtime.settings import Settings

log = structlog.get_logger(__name__)

#: Clients that may listen at once in one process; each costs a connection and some KB.
MAX_STREAMS: Final = 2_000
#: Changes held for a client that reads slowly. Beyond them it is sent to the journal for the rest.
QUEUE_MAX: Final = 32


class ChangeStream:
    """One client that listens. ``behind``: it has to look into the journal for what it missed."""

    def __init__(self) -> None:
        self.behind = True
        self.closed = False
        self._queue: deque[PaymentChanged] = deque()
        self._stirred = asyncio.Event()

    def offer(self, change: PaymentChanged) -> None:
        """Queue a change, or drop them all where there are too many."""
        if len(self._queue) >= QUEUE_MAX:
            self.fall_behind()
            return
        self._queue.append(change)
        self._stirred.set()

    def fall_behind(self) -> None:
        """Changes may have been missed."""
        self._queue.clear()
        self.behind = True
        self._stirred.set()

    def close(self) -> None:
        """The process is leaving."""
        self.closed = True
        self._stirred.set()

    async def wait(self, timeout_s: float) -> bool:
        """Until there is something to do; ``False`` when nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._stirred.wait()
        except TimeoutError:
            return False
        return True

    def drain(self) -> list[PaymentChanged]:
        """What is queued."""
        self._stirred.clear()
        drained = list(self._queue)
        self._queue.clear()
        return drained


class ChangeStreams:
    """All that listen in this process. Follows the topic only while somebody listens: the other requests of the
    process do not pay for it."""

    def __init__(self, settings: Settings, metrics: Metrics, limit: int = MAX_STREAMS, topic: Topic = EVENTS) -> None:
        self._settings = settings
        self._topic = topic
        self._metrics = metrics
        self._limit = limit
        self._streams: dict[UUID, set[ChangeStream]] = {}
        self._count = 0
        self._somebody = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.is_live = False

    @contextmanager
    def listen(self, payment_id: UUID) -> Iterator[ChangeStream | None]:
        """A stream of the payment's changes; ``None`` when all places are taken or the process is leaving."""
        if self._closed or self._count >= self._limit:
            yield None
            return
        stream = ChangeStream()
        streams = self._streams.setdefault(payment_id, set())
        streams.add(stream)
        self._counted(+1)
        try:
            yield stream
        finally:
            streams.discard(stream)
            if not streams:
                self._streams.pop(payment_id, None)
            self._counted(-1)

    def _counted(self, by: int) -> None:
        self._count += by
        self._metrics.event_streams.set(self._count)
        if self._count:
            self._somebody.set()
        else:
            self._somebody.clear()

    async def start(self) -> None:
        """Be ready to follow; returns at once."""
        self._task = asyncio.create_task(self._run(), name="change-streams")

    async def close(self) -> None:
        """Stop following."""
        self.release()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def release(self) -> None:
        """The process is leaving: every stream ends, and its client connects again elsewhere."""
        self._closed = True
        for stream in self._all():
            stream.close()

    async def _run(self) -> None:
        while True:
            await self._somebody.wait()
            await follow(self._settings, self._topic, self)

    @property
    def wanted(self) -> bool:
        """Somebody listens."""
        return self._count > 0

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """All: any payment may be listened to."""
        return partitions

    def live(self, _partitions: Sequence[int]) -> None:
        """What happened before is in the journal: the agent commits before it publishes."""
        self.is_live = True
        for stream in self._all():
            stream.fall_behind()

    def lost(self) -> None:
        """Until it is live again the streams look into the journal now and then."""
        self.is_live = False

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Hand a change to who listens to its payment. Of the others only the key is read."""
        try:
            streams = self._streams.get(UUID((key or b"").decode()))
            if not streams:
                return
            message = decode_envelope(value or b"").open()
        except (ValueError, InvalidMessage) as error:
            log.warning("not an event on the events topic", error=type(error).__name__)
            return
        if isinstance(message, PaymentChanged):
            for stream in streams:
                stream.offer(message)

    def _all(self) -> list[ChangeStream]:
        return [stream for streams in self._streams.values() for stream in streams]
