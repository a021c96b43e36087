"""What a browser carries to the OpenID provider and back, so that only the one that left can return."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import jwt
import msgspec

from admin.people.oidc.refusals import NotIdentified, Why

#: How long a person may take at the provider.
TAKES_AT_MOST: Final = timedelta(minutes=10)
#: A longer page to come back to is left out: a browser keeps cookies of 4 KB.
NEXT_MAX: Final = 1024
_ALGORITHM: Final = "HS256"
_RANDOM_BYTES: Final = 32


class Purpose(StrEnum):
    SIGN_IN = "sign_in"
    CONFIRM = "confirm"


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` comes back with the person, ``nonce`` in the ID token; ``verifier`` is what PKCE shows to the provider's
    token endpoint. ``next``: the page to go to. ``session``: of which the person is confirmed. ``begun``: Unix seconds."""

    purpose: Purpose
    state: str
    nonce: str
    verifier: str
    next: str
    session: str
    begun: int

    @property
    def challenge(self) -> str:
        """PKCE's code challenge, S256 (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def begin(purpose: Purpose, next: str, now: datetime, session: str = "") -> Journey:
    """A new journey."""
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    return Journey(
        purpose=purpose, state=state, nonce=nonce, verifier=verifier, next=next if len(next) <= NEXT_MAX else "/",
        session=session, begun=int(now.timestamp()),
    )  # fmt: skip


class Seal:
    """Signs journeys. ``secret``: the client secret, which all processes have and nobody else; the key is derived from
    it."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.new(secret.encode(), b"journey to the OpenID provider", hashlib.sha256).digest()

    def close(self, journey: Journey) -> str:
        """The journey as a cookie."""
        return jwt.encode(msgspec.to_builtins(journey), self._key, _ALGORITHM)

    def open(self, cookie: str, state: str, now: datetime) -> Journey:
        """The journey of this state. Raises :class:`NotIdentified` for a cookie that is not ours, of another journey, or too
        old."""
        try:
            payload: dict[str, Any] = jwt.decode(cookie, self._key, [_ALGORITHM])
            journey = msgspec.convert(payload, Journey)
        except (jwt.PyJWTError, msgspec.ValidationError, RecursionError) as error:
            raise NotIdentified(Why.STATE, "the cookie is not ours") from error
        if not hmac.compare_digest(journey.state.encode(), state.encode()):
            raise NotIdentified(Why.STATE, "the state is another")
        if now.timestamp() - journey.begun > TAKES_AT_MOST.total_seconds():
            raise NotIdentified(Why.STATE, "it took too long")
        return journey
