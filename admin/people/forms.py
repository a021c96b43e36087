"""Forms that only our own pages can send: a token in each, and where the browser says that it comes from."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

#: The field of the token.
FIELD: Final = "form_token"
_HOUR_S: Final = 3600


def form_token(secret: str, path: str, now: datetime) -> str:
    """The token of a form that posts to this path. ``secret``: the value of the cookie that comes back with the form. It
    is good until the end of the next hour."""
    return _token(secret, path, _hour(now))


def is_genuine(secret: str, path: str, token: str, now: datetime) -> bool:
    """Whether we wrote the token into a form of this path, for the holder of the cookie."""
    hour = _hour(now)
    return any(hmac.compare_digest(_token(secret, path, at).encode(), token.encode()) for at in (hour, hour - 1))


def is_from_here(request: Request) -> bool:
    """Whether the browser does not say that another site sent the request. What says nothing has the token to show."""
    headers: Mapping[str, str] = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    # The scheme is not compared: behind a proxy for TLS ours is http.
    return origin is None or (urlsplit(origin).netloc or None) == headers.get("host")


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // _HOUR_S


def _token(secret: str, path: str, hour: int) -> str:
    return hmac.new(secret.encode(), f"{path}\n{hour}".encode(), hashlib.sha256).hexdigest()
