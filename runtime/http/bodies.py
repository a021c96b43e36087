"""Request bodies up to a number of bytes."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, Request

#: Bytes, and seconds, of a body that is too large which are still read before the response.
DISCARD_BYTES: Final = 1024 * 1024
DISCARD_S: Final = 0.5


class BodyTooLarge(Exception):
    """The body exceeds the limit. The rest of it is not read, so the connection cannot be used again."""


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body. Raises :class:`BodyTooLarge` beyond ``limit`` bytes, announced or counted, and
    :class:`ClientDisconnect` when the client disconnects before its end."""
    announced = request.headers.get("content-length")
    if announced is not None and int(announced) > limit:
        await _discard(request)
        raise BodyTooLarge
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
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _discard(request: Request) -> None:
    """Read and drop what the client has already sent: closing a connection with unread bytes resets it, and the client
    would never see the response."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while size <= DISCARD_BYTES:
                message = await request.receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
