"""API keys as clients send them, and limits for those who send wrong ones."""

import math
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import Request

_SCHEME: Final = "bearer "
#: Bits of an IPv6 address that name a customer's network: one client has all the addresses in it.
_IPV6_NETWORK_BITS: Final = 64

#: Wrong keys that one address may send in a window. More than people mistype; far too few to guess.
FAILURES_MAX: Final = 20
WINDOW_S: Final = 60.0


def bearer_key(request: Request) -> str | None:
    """The key in the ``Authorization`` header; ``None`` unless there is exactly one such header with a bearer token: of
    two, proxies and servers take different ones."""
    sent = request.headers.getlist("authorization")
    if len(sent) != 1 or sent[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    return sent[0][len(_SCHEME) :]


class FailedAttempts:
    """Counts wrong keys by the address that sent them, in fixed windows: nothing is kept for longer than one window."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock``: monotonic seconds."""
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._window_end = 0.0

    def wait_s(self, address: str) -> int:
        """Seconds until this address may try again; 0 if it may now."""
        left = self._window_end - self._clock()
        return math.ceil(left) if left > 0 and self._failures[network_of(address)] >= FAILURES_MAX else 0

    def note(self, address: str) -> None:
        """Count a wrong key that this address sent."""
        now = self._clock()
        if now >= self._window_end:
            self._failures.clear()
            self._window_end = now + WINDOW_S
        self._failures[network_of(address)] += 1


def network_of(address: str) -> str:
    """What counts as one sender: an IPv4 address, or an IPv6 network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(int(parsed) >> 128 - _IPV6_NETWORK_BITS)
    return address
