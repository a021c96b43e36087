"""Listening on this process' own partition of the replies topic."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from billing.errors import InvalidMessage
from billing.messages import Reply, decode_envelope
from billing.messages.topics import REPLIES
from ingest_api.kafka.waiting import WaitingRequests
from ingest_api.metrics import Metrics
from runtime.kafka.tail import follow
from runtime.settings import Settings

log = structlog.get_logger(__name__)


class ReplyListener:
    """Hands replies to who waits for them. Starts at the end of its partition: older replies have nobody waiting.

    ``partition`` is ``None`` until it listens; a request that came before then is not made to wait.
    """

    wanted: Final = True

    def __init__(self, settings: Settings, waiting: WaitingRequests, metrics: Metrics) -> None:
        self._settings = settings
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
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def choose(self, partitions: Sequence[int]) -> Sequence[int]:
        """Our own."""
        return [self._settings.ingest_instance % len(partitions)]

    def live(self, partitions: Sequence[int]) -> None:
        """Requests may wait from now on."""
        (self.partition,) = partitions

    def lost(self) -> None:
        """No request may wait."""
        self.partition = None

    def take(self, _key: bytes | None, value: bytes | None) -> None:
        """Hand a reply over."""
        try:
            message = decode_envelope(value or b"").open()
        except InvalidMessage as error:
            self._ignore(str(error))
            return
        if isinstance(message, Reply):
            self._waiting.resolve(message)
        else:
            self._ignore(f"a {message.TYPE}")

    def _ignore(self, what: str) -> None:
        # Nothing is lost: the request that waits, if one does, is answered with 202 when its time is over.
        self._metrics.replies_invalid.inc()
        log.warning("not a reply on the replies topic", what=what)
