"""Replies to commands: this process's partition of the replies topic, and the requests that wait for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

import structlog

from billing.errors import InvalidMessage
from billing.messages import Reply, decode_envelope
from billing.messages.subscription_events import SubscriptionReply
from billing.messages.topics import REPLIES
from ingest_api.metrics import Metrics
from runtime.kafka.tail import follow
from runtime.settings import KafkaSettings

AnyReply = Reply | SubscriptionReply

#: Requests that wait at once; when there are more, a command is answered without waiting. A waiting request
#: costs a few KB: this bounds them to tens of MB.
MAX_WAITING: Final = 10_000


class WaitingRequests:
    """The futures of waiting requests, by correlation id. They are removed however the request ends."""

    def __init__(self, metrics: Metrics, limit: int = MAX_WAITING) -> None:
        self._metrics = metrics
        self._limit = limit
        self._futures: dict[str, asyncio.Future[AnyReply | None]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._futures)

    @contextmanager
    def register(self, correlation_id: str) -> Iterator["asyncio.Future[AnyReply | None] | None"]:
        """A future for the reply with this id while the context is open; ``None`` when too many requests wait.

        The future's result is ``None`` when the process shuts down.
        """
        if self._closed or len(self._futures) >= self._limit:
            self._metrics.waits("full").inc()
            yield None
            return
        future: asyncio.Future[AnyReply | None] = asyncio.get_running_loop().create_future()
        self._futures[correlation_id] = future
        self._metrics.waiting.inc()
        try:
            yield future
        finally:
            del self._futures[correlation_id]
            self._metrics.waiting.dec()

    def resolve(self, reply: AnyReply) -> None:
        """Pass a reply to the request that waits for it. None does when the reply is late or another process's."""
        future = self._futures.get(reply.correlation_id)
        if future is not None and not future.done():
            future.set_result(reply)

    @property
    def is_closed(self) -> bool:
        """Whether the process is shutting down."""
        return self._closed

    def release(self) -> None:
        """The process is shutting down: end all waits."""
        self._closed = True
        for future in self._futures.values():
            if not future.done():
                future.set_result(None)

    async def wait(
        self, future: "asyncio.Future[AnyReply | None]", disconnected: Callable[[], Awaitable[object]], deadline: float
    ) -> AnyReply | None:
        """The reply, or ``None`` when there is none by ``deadline`` (:func:`time.monotonic`), the client disconnects or
        the process shuts down."""
        disconnect = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait(
                (future, disconnect), timeout=deadline - monotonic(), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            disconnect.cancel()
        if future.done():
            reply = future.result()
            self._metrics.waits("shutdown" if reply is None else "replied").inc()
            return reply
        self._metrics.waits("disconnected" if disconnect.done() and not disconnect.cancelled() else "late").inc()
        return None


log = structlog.get_logger(__name__)


class ReplyListener:
    """Passes replies to waiting requests. Starts at the end of its partition: no request can be waiting for older ones.

    ``partition`` is ``None`` until it is assigned; requests before that do not wait.
    """

    wanted: Final = True

    def __init__(
        self, settings: KafkaSettings, slot: Callable[[], int], waiting: WaitingRequests, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._slot = slot
        self._waiting = waiting
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self.partition: int | None = None

    @property
    def ready(self) -> bool:
        """Assigned and positioned."""
        return self.partition is not None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._task = asyncio.create_task(follow(self._settings, REPLIES, self), name="reply-listener")

    async def close(self) -> None:
        """Stop consuming."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """The partition of this process. A slot that changes later counts from the next connection on: processes may share
        a partition, for each ignores replies to the others' requests."""
        return [self._slot() % len(partitions)]

    def live(self, partitions: Sequence[int]) -> None:
        """From now on, requests can wait."""
        (self.partition,) = partitions

    def lost(self) -> None:
        """From now on, requests do not wait."""
        self.partition = None

    def take(self, _key: bytes | None, value: bytes | None) -> None:
        """Pass a reply to its request."""
        try:
            message = decode_envelope(value or b"").open()
        except InvalidMessage as error:
            self._ignore(str(error))
            return
        if isinstance(message, AnyReply):
            self._waiting.resolve(message)
        else:
            self._ignore(f"a {message.TYPE}")

    def _ignore(self, what: str) -> None:
        # Nothing is lost: a waiting request is answered with 202 at its deadline.
        self._metrics.replies_invalid.inc()
        log.warning("not a reply on the replies topic", what=what)
