"""An HTTP client cheaper than the server it measures: one request at a time per connection."""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_END: Final = b"\r\n\r\n"


@dataclass
class Sent:
    """The responses to a load. ``milliseconds``: from when a request was due to the end of its response."""

    statuses: Counter[int] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, status: int, due: float) -> None:
        """Count a response."""
        self.statuses[status] += 1
        self.milliseconds.append((time.perf_counter() - due) * 1000)

    def percentiles(self) -> dict[str, float]:
        """p50, p95 and p99 of the response times."""
        ordered = sorted(self.milliseconds)
        return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 95, 99)}


class Connection(asyncio.Protocol):
    """A connection. Responses must have a Content-Length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END)
        if end < 0:
            return
        status, length = _STATUS.match(self._buffer), _LENGTH.search(self._buffer, 0, end + 2)
        assert status is not None, self._buffer[:end]
        assert length is not None, self._buffer[:end]
        if len(self._buffer) >= end + len(_END) + int(length[1]):
            self._buffer = b""
            assert self._answered is not None
            self._answered.set_result(int(status[1]))

    def send(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the response."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def rush(url: str, requests: Iterator[bytes], seconds: float, connections: int) -> Sent:
    """Full speed: each connection sends again after a response."""
    sent = Sent()
    opened = [await _connect(url) for _ in range(connections)]
    started = time.perf_counter()

    async def keep_sending(connection: Connection) -> None:
        while (due := time.perf_counter()) < started + seconds:
            sent.note(await connection.send(next(requests)), due)

    await asyncio.gather(*map(keep_sending, opened))
    return _finish(sent, started, opened)


async def steady(url: str, requests: Iterator[bytes], seconds: float, rate: float, connections: int) -> Sent:
    """``rate`` requests per second, regardless of earlier responses: waiting for a connection counts as response time."""
    sent = Sent()
    opened = [await _connect(url) for _ in range(connections)]
    free = deque(opened)
    is_free = asyncio.Semaphore(connections)
    started = time.perf_counter()

    async def send(due: float) -> None:
        async with is_free:
            connection = free.popleft()
            sent.note(await connection.send(next(requests)), due)
            free.append(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            due = started + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            group.create_task(send(due))
    return _finish(sent, started, opened)


def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A request, ready to send."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body


def _finish(sent: Sent, started: float, opened: list[Connection]) -> Sent:
    sent.seconds = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return sent


async def _connect(url: str) -> Connection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    _, connection = await asyncio.get_running_loop().create_connection(Connection, parts.hostname, parts.port)
    return connection
