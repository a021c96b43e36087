"""Secrets of authenticators, encrypted as they are stored, where there are keys for it."""

from collections.abc import Sequence
from typing import Final

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

log = structlog.get_logger(__name__)

#: Fernet's version byte, 0x80, in base64. A secret that is stored as it is has 20 bytes; a token has a hundred and more.
_SEALED: Final = b"gAAAA"
_SEALED_MIN: Final = 100


class Vault:
    """``keys``: of Fernet (AES-128-CBC with HMAC-SHA-256), the first encrypts and all decrypt; none: nothing is encrypted.
    Secrets from before there were keys stay readable."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._first = Fernet(keys[0]) if keys else None
        self._all = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def seal(self, secret: bytes) -> bytes:
        """What is stored of a secret."""
        return secret if self._first is None else self._first.encrypt(secret)

    def open(self, stored: bytes) -> bytes | None:
        """The secret; ``None`` if no key opens it."""
        if not _is_sealed(stored):
            return stored
        try:
            if self._all is not None:
                return self._all.decrypt(stored)
        except InvalidToken:
            pass
        log.error("no key of BILLING_ADMIN_SECRET_KEYS opens the secret of an authenticator")
        return None

    def is_current(self, stored: bytes) -> bool:
        """Whether it is stored as it would be now."""
        if self._first is None:
            return True
        try:
            self._first.decrypt(stored)
        except InvalidToken:
            return False
        return True


def _is_sealed(stored: bytes) -> bool:
    return stored.startswith(_SEALED) and len(stored) >= _SEALED_MIN
