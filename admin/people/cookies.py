"""The cookies of people: of a session, of a form before there is one, and of the way to the OpenID provider and back."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

SESSION: Final = "billing"
FORM: Final = "billing-form"
JOURNEY: Final = "billing-journey"
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))


def read(request: Request, name: str) -> str | None:
    """The value of our cookie."""
    return request.cookies.get(_named(request, name))


def write(response: Response, request: Request, name: str, value: str) -> None:
    """Set the cookie, for as long as the browser runs: the server knows when a session ends."""
    response.set_cookie(
        _named(request, name), value, httponly=True, samesite="lax", path="/", secure=not _is_local(request)
    )


def remove(response: Response, request: Request, name: str) -> None:
    """Delete the cookie."""
    response.delete_cookie(
        _named(request, name), httponly=True, samesite="lax", path="/", secure=not _is_local(request)
    )


def _named(request: Request, name: str) -> str:
    """With the prefix no other host can set it, and it is never sent without TLS."""
    return name if _is_local(request) else f"__Host-{name}"


def _is_local(request: Request) -> bool:
    """On this machine there may be no TLS; a browser keeps no such cookie without it."""
    return request.url.scheme == "http" and request.url.hostname in _LOOPBACK
