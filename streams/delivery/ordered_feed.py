"""Messages from Faust to an agent, in order and without gaps.

Faust acknowledges what it hands out, processed or not, and may drop an event on a cancellation. So its offsets are a
hint: Postgres holds the position (storage.streams.positions). An :class:`OrderedFeed` stands between a Faust agent and the code
that does the work. It knows the next offset of each partition and skips earlier ones. When an offset stays missing it
ends the process: the restart resumes from Postgres.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import structlog

from runtime.kafka.record import Incoming

log = structlog.get_logger(__name__)

#: Messages held between Faust and the agent; beyond it Faust is blocked. Bounds memory and replay.
CAPACITY = 4096
#: A missing offset may still arrive after events that were fetched before a seek; after this it is lost.
GAP_PATIENCE_S = 5.0


class OrderedFeed:
    """The ordered, gap-free feed of one topic to one consumer.

    ``exit_process`` is called with a reason when an offset is lost; it must not return.
    """

    def __init__(
        self,
        consumer: str,
        topic: str,
        exit_process: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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

    async def take(self, limit: int) -> list[Incoming]:
        """Up to ``limit`` messages, as many as are there; waits for the first."""
        while not self._buffer:
            self._filled.clear()
            await self._filled.wait()
        taken = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
        self._drained.set()
        return taken

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
