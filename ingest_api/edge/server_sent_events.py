"""Server-sent events: the changes of one payment or subscription as they happen, each version once and in order."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic
from uuid import UUID

from starlette.responses import StreamingResponse

from billing.access.scopes import Scope
from ingest_api.dependencies import Dependencies
from ingest_api.kafka.change_streams import C, ChangeStream, ChangeStreams
from ingest_api.openapi.responses import SCHEMA_REF
from storage.access.key_ring import ApiKey

#: Seconds without a change after which a comment is sent: proxies close connections that are silent for longer, and
#: the write shows whether the client is still connected.
KEEP_ALIVE_S: Final = 15.0
#: Milliseconds after which a client connects again.
RETRY_MS: Final = 1000
#: Changes read from the journal at once.
PAGE: Final = 50
#: Versions have at most nine digits.
MAX_VERSION: Final = 999_999_999


@dataclass(frozen=True)
class Followed(Generic[C]):
    """What a client follows: the payment or subscription ``id``, as it is committed in ``version``. ``current``: JSON of
    that version; ``encode``: JSON of a change. ``missed``: reads the next changes after a version, at most so many, from
    the journal. ``scope``: what the client's key has to allow for as long as it listens."""

    id: UUID
    version: int
    current: bytes
    encode: Callable[[C], bytes]
    missed: Callable[[UUID, int, int], Awaitable[Sequence[C]]]
    scope: Scope


def event_response(event: str, schema: str, example: str) -> dict[str, Any]:
    """The documentation of a stream: ``event`` with the version as its id and JSON of the schema."""
    properties = {
        "event": {"const": event},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "the version"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": SCHEMA_REF.format(name=schema)},
        },
    }
    described = {"type": "object", "required": ["event", "id", "data"], "properties": properties}
    shown = {"event": event, "id": "3", "data": example}
    return {
        "description": "A stream; this is one event of it",
        "content": {"text/event-stream": {"schema": described, "example": shown}},
    }


async def stream_changes(
    dependencies: Dependencies,
    streams: ChangeStreams[C],
    followed: Followed[C],
    event: str,
    key: ApiKey,
    last: int | None,
) -> StreamingResponse:
    """The changes after version ``last``, or the committed version and all later changes. Raises
    :class:`ProblemError` where no more streams may be open."""
    events = _events(dependencies, streams, followed, event.encode(), key, last)
    first = await anext(events)  # a refusal has to come before the response begins
    return StreamingResponse(_chain(first, events), media_type="text/event-stream")


async def _events(
    dependencies: Dependencies,
    streams: ChangeStreams[C],
    followed: Followed[C],
    event: bytes,
    key: ApiKey,
    last: int | None,
) -> AsyncIterator[bytes]:
    admission = dependencies.admission
    look_s = min(KEEP_ALIVE_S, dependencies.settings.api_keys_refresh_s)
    silent_s = 0.0
    with streams.listen(followed.id, key.client) as stream:
        yield f"retry: {RETRY_MS}\n\n".encode()
        if last is None:
            last = followed.version
            yield _event(event, last, followed.current)
        while not stream.closed and admission.is_valid(key, followed.scope):
            async for change in _due(stream, followed, last):
                last = change.version
                yield _event(event, last, followed.encode(change))
            silent_s = 0.0 if await stream.wait(look_s) else silent_s + look_s
            if silent_s >= KEEP_ALIVE_S:
                silent_s = 0.0
                yield b": still here\n\n"
                if not streams.is_live:
                    stream.fall_behind()


async def _due(stream: ChangeStream[C], followed: Followed[C], last: int) -> AsyncIterator[C]:
    """The changes after version ``last`` that are known by now, each once."""
    changes = stream.drain()
    if stream.behind:
        stream.behind = False
        while page := await followed.missed(followed.id, last, PAGE):
            for change in page:
                last = change.version
                yield change
    for change in changes:
        if change.version > last + 1:  # one in between did not reach us: the journal has it
            stream.fall_behind()
            return
        if change.version == last + 1:
            last = change.version
            yield change


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _event(name: bytes, version: int, data: bytes) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name, version, data)
