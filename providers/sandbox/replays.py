"""Idempotency keys: a repeat gets the first answer, for the time that the provider documents."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from providers.sandbox.ledger import Answer, ProviderLedger


class KeyReused(Exception):
    """The key was used before, for another request."""


class Replays:
    """One provider's keys. ``window_s``: how long an answer is remembered; ``now``: Unix seconds."""

    def __init__(
        self, provider: str, ledger: ProviderLedger, window_s: float, now: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._ledger = ledger
        self._window_s = window_s
        self._now = now

    def find(self, key: str, asked: bytes) -> Answer | None:
        """The answer to a repeat. Raises :class:`KeyReused` where ``asked`` is the digest of another request."""
        known = self._ledger.answered(self._provider, key)
        if known is None or self._now() - known.given >= self._window_s:
            return None
        if known.digest != asked:
            raise KeyReused(key)
        return known

    def keep(self, key: str, asked: bytes, status: int, body: bytes) -> None:
        """Keep an answer. Called inside :meth:`ProviderLedger.change`, so that it is committed with the operation."""
        self._ledger.keep_answer(self._provider, key, Answer(asked, status, body, self._now()))


def digest(asked: Any) -> bytes:
    """A digest of a request, which distinguishes a repeat from another request."""
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).digest()
