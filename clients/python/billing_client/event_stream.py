"""Server-sent events, as the HTML standard defines their lines."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """``id`` is empty if the server sent none. ``retry_ms``: when the server wants the client to reconnect."""

    event: str
    id: str
    data: str
    retry_ms: int | None = None


async def server_events(lines: AsyncIterable[bytes]) -> AsyncIterator[ServerEvent]:
    """The events of a stream until it ends. An incomplete event at its end is dropped. ``retry`` alone is an event
    without data."""
    fields: dict[str, str] = {}
    data: list[str] = []
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name:  # without a name it is a comment
                fields[name] = value
            continue
        if data or fields:
            retry = fields.get("retry", "")
            yield ServerEvent(
                fields.get("event", "message"),
                fields.get("id", ""),
                "\n".join(data),
                int(retry) if retry.isdigit() else None,
            )
        fields, data = {}, []
