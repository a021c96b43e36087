"""Sign-in sessions: an API key is exchanged for a signed cookie, so no key stays in a browser or a URL."""

from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "billing_reports"


class Sessions:
    """Cookies with the SHA-256 of the API key: revoking the key ends its sessions."""

    def __init__(self, secret: str, lifetime_s: int) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="reports")
        self._lifetime_s = lifetime_s

    def open(self, response: Response, request: Request, digest: bytes) -> None:
        """Set the cookie."""
        response.set_cookie(
            COOKIE,
            self._serializer.dumps(digest.hex()),
            max_age=self._lifetime_s,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def digest(self, request: Request) -> bytes | None:
        """The key's SHA-256 from the request's cookie; ``None`` if it is missing, forged or expired."""
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            return None
        try:
            return bytes.fromhex(self._serializer.loads(cookie, max_age=self._lifetime_s))
        except (BadData, ValueError, TypeError):
            return None

    @staticmethod
    def end(response: Response) -> None:
        """Delete the cookie."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
