"""T-Bank's signature of requests and notifications."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

FIELD: Final = "Token"


def token(fields: Mapping[str, Any], password: str) -> str:
    """SHA-256, in hex, of the root's scalar values with ``Password`` among them, in the order of their names. Nested
    objects, lists and the token itself are left out."""
    values = {name: _text(value) for name, value in fields.items() if name != FIELD and _is_scalar(value)}
    ordered = sorted({**values, "Password": password}.items())
    return hashlib.sha256("".join(value for _, value in ordered).encode()).hexdigest()


def is_signed(fields: Mapping[str, Any], password: str) -> bool:
    """Whether the token is right, in constant time."""
    theirs = str(fields.get(FIELD, "")).lower()
    return hmac.compare_digest(token(fields, password).encode(), theirs.encode())


def _is_scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, Mapping | list)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
