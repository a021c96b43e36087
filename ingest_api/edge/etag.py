"""Conditional reads: ETag and If-None-Match (RFC 9110)."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute

#: Hex digits of the SHA-256 that make an ETag: two documents of one URL will not share that many.
_DIGITS: Final = 32


class ConditionalRoute(APIRoute):
    """Adds the ETag of the response body, and answers 304 without a body when the client has that body already."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def conditional(request: Request) -> Response:
            response = await handle(request)
            etag = f'"{hashlib.sha256(response.body).hexdigest()[:_DIGITS]}"'
            if matches(request.headers.getlist("if-none-match"), etag):
                return Response(status_code=304, headers={"ETag": etag})
            response.headers["ETag"] = etag
            return response

        return conditional


async def _documented(
    _if_none_match: Annotated[
        str | None, Header(alias="If-None-Match", description="an ETag: 304 when nothing changed since")
    ] = None,
) -> None:
    """FastAPI documents the header from this signature; the route reads it."""


#: Documents the request header of a router whose routes are conditional.
CONDITIONAL: Final = Depends(_documented)


def matches(fields: list[str], etag: str) -> bool:
    """Whether If-None-Match has this ETag."""
    known = (tag.strip().removeprefix("W/") for field in fields for tag in field.split(","))
    return any(tag in (etag, "*") for tag in known)
