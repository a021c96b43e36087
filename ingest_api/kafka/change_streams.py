"""Clients that follow a payment or a subscription, and the one consumer of each topic of events that serves them all."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar
from uuid import UUID

import structlog

from billing.errors import InvalidMessage
from billing.messages import PaymentChanged, decode_envelope
from billing.messages.subscription_events import SubscriptionChanged
from billing.messages.topics import Topic
from ingest_api.metrics import Metrics
from ingest_api.problems import Problem, ProblemError, unavailable
from runtime.http.connections import connection_limit
from runtime.kafka.tail import follow
from runtime.settings import IngestSettings

log = structlog.get_logger(__name__)

#: Seconds after which a client that has too many streams may try again.
FULL_RETRY_AFTER_S: Final = 10
#: Changes queued for a client that reads slowly. When there are more, the rest is read from the journal.
QUEUE_MAX: Final = 32


C = TypeVar("C", PaymentChanged, SubscriptionChanged)


class ChangeStream(Generic[C]):
    """The stream of one client. ``behind``: changes may have been missed, so the journal has to be read."""

    def __init__(self) -> None:
        self.behind = True
        self.closed = False
        self._queue: deque[C] = deque()
        self._ready = asyncio.Event()

    def offer(self, change: C) -> None:
        """Queue a change; when there are too many, drop them all and fall behind."""
        if len(self._queue) >= QUEUE_MAX:
            self.fall_behind()
            return
        self._queue.append(change)
        self._ready.set()

    def fall_behind(self) -> None:
        """Changes may have been missed."""
        self._queue.clear()
        self.behind = True
        self._ready.set()

    def close(self) -> None:
        """The process is shutting down."""
        self.closed = True
        self._ready.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to do; ``False`` when nothing came within ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    def drain(self) -> list[C]:
        """Take the queued changes."""
        self._ready.clear()
        drained = list(self._queue)
        self._queue.clear()
        return drained


class StreamPlaces:
    """How many streams of any kind may be open in this process, and to each API client."""

    def __init__(self, settings: IngestSettings, metrics: Metrics, *, connections: int | None = None) -> None:
        """``connections``: of the process at once, by default as the settings and the limit of open files say."""
        places = connection_limit(settings.ingest_connections) if connections is None else connections
        self._metrics = metrics
        self._limit = min(settings.ingest_event_streams, max(1, places // 2))
        self._client_limit = settings.ingest_event_streams_per_client
        self._by_client: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """One place. Raises :class:`ProblemError`: 429 when the client has too many, 503 when there are too many in all."""
        if self._by_client[client] >= self._client_limit:
            detail = f"{self._client_limit} streams are open here, more are not allowed to one API client"
            raise ProblemError(Problem.TOO_MANY_STREAMS, detail, headers={"Retry-After": str(FULL_RETRY_AFTER_S)})
        if self._by_client.total() >= self._limit:
            raise unavailable("no more clients can listen here")
        self._count(client, +1)
        try:
            yield
        finally:
            self._count(client, -1)

    def _count(self, client: str, by: int) -> None:
        self._by_client[client] += by
        self._metrics.streams(client, by)
        if not self._by_client[client]:
            del self._by_client[client]


class ChangeStreams(Generic[C]):
    """The streams of one topic in this process. The topic is consumed only while there is a stream, so that other
    requests do not pay for it."""

    def __init__(self, settings: IngestSettings, places: StreamPlaces, kind: type[C], topic: Topic) -> None:
        self._settings = settings
        self._topic = topic
        self._kind: type[C] = kind
        self._places = places
        self._streams: dict[UUID, set[ChangeStream[C]]] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.is_live = False

    @contextmanager
    def listen(self, subject_id: UUID, client: str) -> Iterator[ChangeStream[C]]:
        """A stream of the changes of a payment or subscription for an API client. Raises :class:`ProblemError`: 429 when
        the client has too many, 503 when there are too many in all or the process is shutting down."""
        if self._closed:
            raise unavailable("no more clients can listen here")
        with self._places.taken(client):
            stream = ChangeStream[C]()
            streams = self._streams.setdefault(subject_id, set())
            streams.add(stream)
            self._wanted.set()
            try:
                yield stream
            finally:
                streams.discard(stream)
                if not streams:
                    self._streams.pop(subject_id, None)
                if not self._streams:
                    self._wanted.clear()

    async def start(self) -> None:
        """Begin to consume when there is a stream; returns at once."""
        self._task = asyncio.create_task(self._run(), name="change-streams")

    async def close(self) -> None:
        """Stop consuming."""
        self.release()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def release(self) -> None:
        """The process is shutting down: end every stream. Clients connect again to another process."""
        self._closed = True
        for stream in self._all():
            stream.close()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await follow(self._settings, self._topic, self)

    @property
    def wanted(self) -> bool:
        """Whether there is a stream."""
        return bool(self._streams)

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """All: a client may follow any payment or subscription."""
        return partitions

    def live(self, _partitions: Sequence[int]) -> None:
        """Earlier changes are in the journal: an agent commits before it publishes."""
        self.is_live = True
        for stream in self._all():
            stream.fall_behind()

    def lost(self) -> None:
        """Until the topic is live again, the streams read the journal from time to time."""
        self.is_live = False

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Pass a change to the streams of its subject. Of other messages only the key is read."""
        try:
            streams = self._streams.get(UUID((key or b"").decode()))
            if not streams:
                return
            message = decode_envelope(value or b"").open()
        except (ValueError, InvalidMessage) as error:
            log.warning("not an event on the events topic", error=type(error).__name__)
            return
        if isinstance(message, self._kind):
            for stream in streams:
                stream.offer(message)

    def _all(self) -> list[ChangeStream[C]]:
        return [stream for streams in self._streams.values() for stream in streams]
