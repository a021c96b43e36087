"""Limits for slow clients: time for head and body, size of the head, number of connections."""

import asyncio
import resource
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import msgspec
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

#: Bytes of a request's head. The longest useful one, a list with every filter and a cursor, has some 12 KB.
HEAD_LIMIT: Final = 64 * 1024

#: Open files that are not client connections: Kafka, Postgres, providers, logs.
RESERVED_FILES: Final = 256


class Breach(Enum):
    """Why a connection is refused before there is a request."""

    TOO_MANY_CONNECTIONS = auto()
    SLOW_REQUEST = auto()
    INVALID_HTTP = auto()


class Bounds(msgspec.Struct, frozen=True):
    """``head_s`` and ``body_s``: seconds that a client has for a request's head, and then for its body.
    ``connections``: how many are open at once. ``refusal`` makes the response to a client that exceeds a limit, from the
    kind of breach and, for people, its detail."""

    head_s: float
    body_s: float
    connections: int
    refusal: Callable[[Breach, str | None], Response]


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection has no time limits; this one does. A request that arrives in one piece costs no timer."""

    def __init__(self, bounds: Bounds, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._head_bytes = 0
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections and not self._replaces_an_idle_one():
            self._refuse(Breach.TOO_MANY_CONNECTIONS, "there are too many connections")
        else:
            self._expect(self._bounds.head_s)

    def _replaces_an_idle_one(self) -> bool:
        """Close a connection that is only kept open for a next request, so that one client's idle connections cannot shut
        out the others."""
        for other in self.connections:
            if isinstance(other, BoundedConnection) and other.is_idle:
                other.shutdown()
                return True
        return False

    @property
    def is_idle(self) -> bool:
        """Whether it has answered its last request, and nothing of a next one has arrived."""
        return (
            self.cycle is not None
            and self.cycle.response_complete
            and not self._head_bytes
            and not self.transport.is_closing()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # refused: the rest is not read
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.more_body and self._late is None:
                self._expect(self._bounds.body_s)
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_LIMIT:
            self._refuse(Breach.INVALID_HTTP, f"the head is larger than {HEAD_LIMIT} bytes")
        elif self._late is None:
            self._expect(self._bounds.head_s)

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves the white space after a value, which is no part of it (RFC 9110, 5.5).
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        self._arrived()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Breach.INVALID_HTTP, msg)

    def _expect(self, seconds: float) -> None:
        self._late = self.loop.call_later(seconds, self._is_late)

    def _arrived(self) -> None:
        self._head_bytes = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # a response has begun: no other can be sent
        else:
            self._refuse(Breach.SLOW_REQUEST)

    def _refuse(self, breach: Breach, detail: str | None = None) -> None:
        if self.transport.is_closing():
            return
        self._arrived()
        answer = self._bounds.refusal(breach, detail)
        lines = (b"%s: %s\r\n" % header for header in (*answer.raw_headers, (b"connection", b"close")))
        self.transport.write(b"".join((STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body))))
        self.transport.close()


def connection_limit(wanted: int) -> int:
    """The number of connections: ``wanted``, or fewer where the limit of open files is lower. Raises that limit as far
    as the process is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - RESERVED_FILES)
    return wanted
