"""Messages from Faust to an agent, in order and without gaps.

Faust acknowledges what it hands out, processed or not, and may drop an event on a cancellation. So its offsets are a
hint: Postgres holds the position (storage.streams.positions). An :class:`OrderedFeed` stands between a Faust agent and the code
that does the work. It knows the next offset of each partition and skips earlier ones. When an offset stays missing it
ends the process: the restart resumes from Postgres.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

import structlog

from runtime.kafka.record import Incoming

log = structlog.get_logger(__name__)

#: Messages held between Faust and the agent; beyond it Faust is blocked. Bounds memory and replay.
CAPACITY = 4096
#: Messages held before a feed pauses its partitions, and below which it lets them go on. What was fetched
#: until then still arrives: there is room for it in the feed and in Faust's own queue.
PAUSE_AT = 500
RESUME_AT = 250
#: A missing offset may still arrive after events that were fetched before a seek; after this it is lost.
GAP_PATIENCE_S = 5.0


class Pause(Protocol):
    """Stops the fetching of partitions of the topic, or lets it go on."""

    def __call__(self, partitions: Collection[int], *, stop: bool) -> None: ...


class OrderedFeed:
    """The ordered, gap-free feed of one topic to one consumer.

    ``exit_process`` is called with a reason when an offset is lost; it must not return. ``pause`` stops and resumes the
    fetching of partitions while many messages wait, because Faust, once its queue for one topic is full, delivers no
    other topic either.
    """

    def __init__(
        self,
        consumer: str,
        topic: str,
        exit_process: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Pause | None = None,
    ) -> None:
        self._pause = pause
        self._paused: set[int] = set()
        self.consumer = consumer
        self.topic = topic
        #: Held while a batch is processed and while positions are loaded: never both.
        self.lock = asyncio.Lock()
        self._exit_process = exit_process
        self._clock = clock
        self._expected: dict[int, int] = {}
        self._gap_since: dict[int, float] = {}
        self._buffer: deque[Incoming] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        #: Messages processed so far, and whether a batch is being processed now.
        self.processed = 0
        self.working = False

    @property
    def waiting(self) -> int:
        """Messages that Faust delivered and the agent has not taken."""
        return len(self._buffer)

    @property
    def expected(self) -> Mapping[int, int]:
        """Partition → the offset that must come next."""
        return self._expected

    async def restore(self, load: Callable[[], Awaitable[Mapping[int, int]]]) -> Mapping[int, int]:
        """Start over from the positions that ``load`` reads, once the batch in progress is done."""
        async with self.lock:
            positions = await load()
            self._expected = dict(positions)
            self._gap_since.clear()
            self._buffer.clear()
            self._drained.set()
            self._resume()
        return positions

    async def offer(self, message: Incoming) -> None:
        """Take one message from Faust; blocks while :data:`CAPACITY` messages wait."""
        while len(self._buffer) >= CAPACITY:
            self._drained.clear()
            await self._drained.wait()
        expected = self._expected.get(message.partition)
        if expected is None or message.offset < expected:
            return  # not assigned any more, or a repeat
        if message.offset > expected:
            self._note_gap(message, expected)
            return
        self._gap_since.pop(message.partition, None)
        self._expected[message.partition] = expected + 1
        self._buffer.append(message)
        self._filled.set()
        if self._pause is not None and len(self._buffer) >= PAUSE_AT and message.partition not in self._paused:
            self._paused.add(message.partition)
            self._pause((message.partition,), stop=True)

    async def take(self, limit: int) -> list[Incoming]:
        """Up to ``limit`` messages, as many as are there; waits for the first."""
        while not self._buffer:
            self._filled.clear()
            await self._filled.wait()
        taken = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
        self._drained.set()
        if len(self._buffer) <= RESUME_AT:
            self._resume()
        return taken

    def _resume(self) -> None:
        if self._pause is not None and self._paused:
            self._pause(tuple(self._paused), stop=False)
            self._paused.clear()

    async def work(
        self,
        limit: int,
        process: Callable[[list[Incoming]], Awaitable[None]],
        room: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """Feed batches to ``process``, forever. An exception that it raises ends the worker. ``room`` waits until the
        agent can take messages and returns how many."""
        while True:
            while not self._buffer:
                self._filled.clear()
                await self._filled.wait()
            most = limit if room is None else min(limit, await room())
            async with self.lock:
                if self._buffer:  # a restore may have emptied it while we waited
                    batch = await self.take(most)
                    self.working = True
                    await process(batch)
                    self.working = False
                    self.processed += len(batch)

    def _note_gap(self, message: Incoming, expected: int) -> None:
        now = self._clock()
        since = self._gap_since.setdefault(message.partition, now)
        if now - since > GAP_PATIENCE_S:
            self._exit_process(
                f"{self.consumer}: {self.topic}/{message.partition} offset {expected} is missing, got {message.offset}"
            )
