"""What a part of the stack is: a process to start, a way to see that it works, a way to stop it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import aiohttp

from runtime.liveness import is_fresh

PROBE_TIMEOUT_S = 2.0
#: Length and NAMES_REQ of the protocol of Erlang's port mapper.
NAMES_REQUEST = b"\x00\x01n"
#: A heartbeat older than this is not fresh, seconds: less than :data:`runtime.liveness.HEARTBEAT_LIMIT_S`, since nothing
#: is stopped for it.
BEAT_LIMIT_S = 6.0

Check = Callable[[], Awaitable[bool]]


class PartUnavailable(Exception):
    """A part cannot be started here; the message says what to install or set."""


class Stage(IntEnum):
    """Parts start in this order and stop in the opposite one; those of one stage go together."""

    GROUND = 0
    """What a server needs to the very end."""
    SERVER = 1
    OURS = 2
    """Our own processes: after the servers and the migrations."""


@dataclass(frozen=True)
class Part:
    """A supervised process.

    ``ready``: answers whether it works. ``prepare``: runs before each start, may raise :class:`PartUnavailable`.
    ``stop_s``: seconds it gets to finish after ``stop_signal`` before it is killed.
    """

    name: str
    argv: tuple[str, ...]
    ready: Check
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    stage: Stage = Stage.SERVER
    prepare: Callable[[], Awaitable[None]] | None = None
    stop_signal: int = 15
    stop_s: float = 15.0


def listens(port: int) -> Check:
    """Something accepts connections on a port of this machine."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return check


def maps_ports(port: int) -> Check:
    """Erlang's port mapper lists its names. It logs a connection that asks nothing."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(NAMES_REQUEST)
                answer = await reader.read()
        except (OSError, TimeoutError):
            return False
        writer.close()
        return answer[:4] == port.to_bytes(4)

    return check


def answers(url: str) -> Check:
    """A GET is answered with 200."""

    async def check() -> bool:
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                return response.status == 200  # noqa: PLR2004
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    return check


def beats(path: Path) -> Check:
    """A worker touched its heartbeat file a moment ago."""

    async def check() -> bool:
        return is_fresh(path, BEAT_LIMIT_S)

    return check
