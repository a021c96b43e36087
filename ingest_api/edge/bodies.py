"""Reading a body: no more bytes than it may have. How long it may take is the connection's business."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, Request

from ingest_api.problems import Problem, ProblemError

#: How much, and for how many seconds, of a body that is too large is still taken before the answer.
DISCARD_BYTES: Final = 1024 * 1024
DISCARD_S: Final = 0.5

#: The rest of the body is not read, so the connection cannot be used again.
_CLOSE: Final = {"Connection": "close"}


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body; 413 beyond ``limit`` bytes, announced or counted."""
    announced = request.headers.get("content-length")
    if announced is not None and int(announced) > limit:
        await _discard(request)
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            await _discard(request)
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _discard(request: Request) -> None:
    """Take what is on its way and let it go: closing a connection with bytes unread resets it, and the client would
    never see the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while size <= DISCARD_BYTES:
                message = await request.receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _too_large(limit: int) -> ProblemError:
    return ProblemError(Problem.BODY_TOO_LARGE, f"the limit is {limit} bytes", headers=_CLOSE, limit_bytes=limit)


def require_json(request: Request) -> None:
    """415 unless the body is declared as JSON."""
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE, headers={"Accept": "application/json"})
