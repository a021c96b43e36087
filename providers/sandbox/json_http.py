"""JSON in and out of the sandbox."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web

T = TypeVar("T")


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)


async def read(request: web.Request, type: type[T]) -> T:
    """A request to the sandbox itself. 400 for an invalid one."""
    try:
        return msgspec.json.decode(await request.read(), type=type)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
