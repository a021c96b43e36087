"""What an ID token says, once it is verified (OpenID Connect Core 1.0, 3.1.3.7)."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import jwt
import msgspec

from admin.people.oidc.refusals import NotIdentified, Why

#: Signatures with a key pair. With an HMAC whoever can check a token could make one, and ``none`` is no signature.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: By how much the provider's clock and ours may differ, seconds.
LEEWAY_S: Final = 60
#: Characters of a subject (OpenID Connect Core 1.0, 2).
SUBJECT_MAX: Final = 255


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the provider has identified. ``email``: lower case, ``None`` unless verified. ``authenticated_at``: when the
    person last signed in there (UTC), where the provider says so. ``claims``: all of the token."""

    subject: str
    email: str | None
    authenticated_at: datetime | None
    claims: Mapping[str, Any]


def key_of(token: str) -> tuple[str | None, str]:
    """The id of the key that a token names, and the algorithm. Raises :class:`NotIdentified` for one that is not allowed."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise NotIdentified(Why.TOKEN, str(error)) from error
    if header.get("alg") not in ALGORITHMS:
        raise NotIdentified(Why.TOKEN, "the algorithm is not allowed")
    return header.get("kid"), header["alg"]


def find_key(published: Sequence[Mapping[str, Any]], kid: str | None, algorithm: str) -> jwt.PyJWK | None:
    """The published key with this id, which may be left out where there is one key only; ``None``: there is none that fits
    the algorithm."""
    signing = [key for key in published if key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm]
    named = [key for key in signing if kid is None or key.get("kid") == kid]
    if len(named) != 1:
        return None
    try:
        return jwt.PyJWK(dict(named[0]), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None  # a strange key


def identity_of(token: str, key: jwt.PyJWK, *, issuer: str, client_id: str, nonce: str) -> Identity:
    """Whom the token identifies. Raises :class:`NotIdentified`."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, [key.algorithm_name], issuer=issuer, audience=client_id, leeway=LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )  # fmt: skip
    except (jwt.PyJWTError, RecursionError) as error:
        raise NotIdentified(Why.TOKEN, str(error)) from error
    audience = claims["aud"]
    party = claims.get("azp", client_id if isinstance(audience, str) or len(audience) == 1 else None)
    if party != client_id:
        raise NotIdentified(Why.TOKEN, "it was made for another client")
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise NotIdentified(Why.TOKEN, "the nonce is another")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX or "\0" in subject:
        raise NotIdentified(Why.TOKEN, "the subject is none")
    email = claims.get("email")
    is_verified = claims.get("email_verified") is True and isinstance(email, str) and "\0" not in email
    return Identity(
        subject=subject,
        email=str(email).strip().lower() if is_verified else None,
        authenticated_at=_time(claims.get("auth_time")),
        claims=claims,
    )


def values_of(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The texts at a claim; a point leads into an object, unless the claim's own name has it."""
    found: Any = claims
    for name in (path,) if path in claims else path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(value for value in values if isinstance(value, str))


def _time(at: Any) -> datetime | None:
    """Unix seconds as a time; ``None`` for what is none, or of a year that no date has."""
    is_time = isinstance(at, int) and not isinstance(at, bool) and 0 < at < 1 << 35
    return datetime.fromtimestamp(at, UTC) if is_time else None
