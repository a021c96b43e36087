"""Request bodies: bounded in size and depth, JSON where a command is expected, never with a card number."""

import asyncio
import re
from contextlib import suppress
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request

from ingest_api.problems import Problem, ProblemError
from runtime.logging.card_numbers import holds_card_number, may_hold_card_number

#: Bytes, and seconds, of a body that is too large which are still read before the response.
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


def _too_large(limit: int) -> ProblemError:
    return ProblemError(Problem.BODY_TOO_LARGE, f"the limit is {limit} bytes", headers=_CLOSE, limit_bytes=limit)


def require_json(request: Request) -> None:
    """415 unless the body is declared as JSON."""
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE, headers={"Accept": "application/json"})


#: Levels of nested objects and arrays. The deepest valid request has four.
MAX_DEPTH: Final = 16

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_OTHER_THAN_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = b"[{"


async def json_body(request: Request, limit: int) -> bytes:
    """The raw body; 415, 413, 400 for too deep, 422 for a card number in it."""
    require_json(request)
    body = await read_body(request, limit)
    check_depth(body)
    check_cards(body)
    return body


def check_depth(body: bytes) -> None:
    """400 when brackets are nested deeper than :data:`MAX_DEPTH`."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return  # most requests: no need to count levels
    depth = 0
    for bracket in _STRINGS.sub(b"", body).translate(None, _OTHER_THAN_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            raise ProblemError(Problem.MALFORMED_JSON, f"nested deeper than {MAX_DEPTH} levels")


def check_cards(body: bytes) -> None:
    """422 when a body contains a card number, whether or not its digits are escaped."""
    if b"\\u" in body:  # digits may be escaped
        try:
            body = msgspec.json.encode(msgspec.json.decode(body))
        except (msgspec.MsgspecError, RecursionError):
            return  # not JSON: the parser refuses it
    if may_hold_card_number(body) and holds_card_number(body.decode(errors="replace")):
        raise ProblemError(Problem.CARD_NUMBER)
