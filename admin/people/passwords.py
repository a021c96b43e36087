"""Passwords: hashed with Argon2id, checked in equal time for everybody."""

from typing import Final

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from admin.language import gettext

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 256
#: Different characters.
DISTINCT_MIN: Final = 4
#: Each takes 64 MiB and four threads for some 50 ms.
AT_ONCE: Final = 2

#: The parameters of RFC 9106 for little memory, as the library has them.
_HASHER: Final = PasswordHasher()


class Passwords:
    """Hashes and checks, two at once; others wait."""

    def __init__(self) -> None:
        self._places = CapacityLimiter(AT_ONCE)
        #: Nobody's: where an account has no password, this one takes as long.
        self._nobodys = _HASHER.hash("")

    async def hash(self, password: str) -> bytes:
        """What is stored of a password."""
        return (await to_thread.run_sync(_HASHER.hash, password, limiter=self._places)).encode()

    async def is_right(self, stored: bytes | None, password: str) -> bool:
        """Whether this is the password; ``stored``: its hash, ``None`` where there is none."""
        hashed = self._nobodys if stored is None else stored.decode()
        right = await to_thread.run_sync(_is_right, hashed, password, limiter=self._places)
        return right and stored is not None


def problem_of(password: str, email: str) -> str | None:
    """Why this cannot be a password, in the reader's language."""
    if len(password) < LENGTH_MIN:
        return gettext("A password has at least %(count)s characters.", count=LENGTH_MIN)
    if len(password) > LENGTH_MAX:
        return gettext("A password has at most %(count)s characters.", count=LENGTH_MAX)
    if password.lower() in (email, email.partition("@")[0]) or len(set(password)) < DISTINCT_MIN:
        return gettext("This password is too easy to guess.")
    return None


def _is_right(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
