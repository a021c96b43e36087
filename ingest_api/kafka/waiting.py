"""Requests that wait for the reply to their command."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from billing.messages import Reply
from ingest_api.metrics import Metrics

#: Requests that may wait at once; beyond it a command is accepted and answered without waiting. A waiting request
#: costs a few KB: this bounds them to tens of MB.
MAX_WAITING: Final = 10_000


class WaitingRequests:
    """Futures by correlation id. A place is given back however the request ends."""

    def __init__(self, metrics: Metrics, limit: int = MAX_WAITING) -> None:
        self._metrics = metrics
        self._limit = limit
        self._futures: dict[str, asyncio.Future[Reply | None]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._futures)

    @contextmanager
    def place(self, correlation_id: str) -> Iterator["asyncio.Future[Reply | None] | None"]:
        """A future for the reply with this id, as long as the context is open; ``None`` when all places are taken.

        The future's result is ``None`` when the process is leaving.
        """
        if self._closed or len(self._futures) >= self._limit:
            self._metrics.waits.labels("full").inc()
            yield None
            return
        future: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._futures[correlation_id] = future
        self._metrics.waiting.inc()
        try:
            yield future
        finally:
            del self._futures[correlation_id]
            self._metrics.waiting.dec()

    def resolve(self, reply: Reply) -> None:
        """Hand a reply to who waits for it; nobody does when it is late or another process' reply."""
        future = self._futures.get(reply.correlation_id)
        if future is not None and not future.done():
            future.set_result(reply)

    def release(self) -> None:
        """The process is leaving: nobody waits any longer."""
        self._closed = True
        for future in self._futures.values():
            if not future.done():
                future.set_result(None)

    async def wait(
        self, future: "asyncio.Future[Reply | None]", disconnected: Callable[[], Awaitable[object]], deadline: float
    ) -> Reply | None:
        """The reply, or ``None`` when it is not there at ``deadline`` (:func:`time.monotonic`), the client is gone or
        the process is leaving."""
        gone = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait((future, gone), timeout=deadline - monotonic(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if future.done():
            reply = future.result()
            self._metrics.waits.labels("shutdown" if reply is None else "replied").inc()
            return reply
        self._metrics.waits.labels("disconnected" if gone.done() and not gone.cancelled() else "late").inc()
        return None
