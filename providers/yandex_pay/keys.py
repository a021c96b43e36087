"""Yandex Pay's public keys (JWKS), kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from providers.http import NETWORK_ERRORS, CallLimits, open_session
from providers.reading import read_answer, read_json

log = structlog.get_logger(__name__)

#: How long fetched keys are kept, seconds.
TTL_S: Final = 3600.0
#: How long they are trusted while newer ones cannot be fetched, seconds: an outage of the key server must not stop
#: callbacks, and a withdrawn key must not be trusted for ever.
BELIEVED_S: Final = 86_400.0
#: Minimum pause between two fetches, seconds: a flood of unknown key ids must not become a flood of fetches. The
#: provider's next delivery finds a key that was published meanwhile.
PAUSE_S: Final = 10.0
#: The same after a failed fetch, seconds: deliveries are postponed until one succeeds.
FAILED_PAUSE_S: Final = 1.0
#: Bytes of the key set: a key has about 200.
KEYS_LIMIT: Final = 256 * 1024
#: Deadline of a fetch, for which deliveries wait, seconds.
TIMEOUT_S: Final = 5.0


class KeysUnavailable(Exception):
    """The keys cannot be fetched now, so no signature can be verified."""


class Keys:
    """The keys by their id. Fetched when the cache is empty or expired, or lacks the requested id; one fetch at a time. ``clock``: monotonic seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._url = url
        self._clock = clock
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = True
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Open connections. Called once, inside the event loop."""
        self._session = open_session(CallLimits(TIMEOUT_S, 1))

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key, or ``None`` when the provider has published no such key. Raises :class:`KeysUnavailable`."""
        if not self._has(kid, TTL_S):
            async with self._lock:
                if not self._has(kid, TTL_S) and self._may_fetch():
                    await self._fetch()
        if self._has(kid, BELIEVED_S if self._failed else TTL_S):
            return self._keys[kid]
        if self._failed or not self._is_younger(TTL_S):
            raise KeysUnavailable(self._url)
        return None

    def _has(self, kid: str, age_s: float) -> bool:
        return kid in self._keys and self._is_younger(age_s)

    def _is_younger(self, age_s: float) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < age_s

    def _may_fetch(self) -> bool:
        pause = FAILED_PAUSE_S if self._failed else PAUSE_S
        return self._tried_at is None or self._clock() - self._tried_at >= pause

    async def _fetch(self) -> None:
        assert self._session is not None, "start() comes first"
        self._tried_at = self._clock()
        self._failed = True
        try:
            async with self._session.get(self._url) as response:
                response.raise_for_status()
                published = read_json(await read_answer(response, KEYS_LIMIT), _Published).keys
        except (*NETWORK_ERRORS, msgspec.MsgspecError) as error:
            log.warning("keys of yandex pay cannot be fetched", error=repr(error))
            return
        # The set may hold keys of other kinds; a token that names one has an unknown key.
        keys = dict(named for key in published if (named := _named(key)) is not None)
        if not keys:
            log.warning("keys of yandex pay cannot be fetched", error="none of them is one of ES256")
            return
        self._keys = keys
        self._fetched_at = self._clock()
        self._failed = False


class _Published(msgspec.Struct):
    keys: list[Any]


def _named(published: Any) -> tuple[str, EllipticCurvePublicKey] | None:
    """A published key with its id; ``None`` where it is no key of ours, or no key at all."""
    try:
        jwk = jwt.PyJWK(published)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    is_ours = isinstance(jwk.key, EllipticCurvePublicKey) and isinstance(jwk.key.curve, SECP256R1)
    return (jwk.key_id, jwk.key) if is_ours and isinstance(jwk.key_id, str) and jwk.key_id else None
