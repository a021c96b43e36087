"""New keys."""

import hashlib
import re
import secrets
from typing import Final, NamedTuple

#: The start of every key: secret scanners and people recognise it.
PREFIX: Final = "bk_"

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class NewKey(NamedTuple):
    """``secret`` is for the client alone; ``id`` and ``hash`` (SHA-256) are kept."""

    id: str
    secret: str
    hash: bytes


def new_key() -> NewKey:
    """A key of 256 random bits: so many that its plain SHA-256 cannot be reversed."""
    id = secrets.token_hex(6)
    secret = f"{PREFIX}{id}_{secrets.token_urlsafe(32)}"
    return NewKey(id, secret, hashlib.sha256(secret.encode()).digest())


def is_client_name(name: str) -> bool:
    """Whether a client may be called so."""
    return _CLIENT_NAME.fullmatch(name) is not None
