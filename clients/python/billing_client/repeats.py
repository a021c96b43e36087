"""When a request is repeated."""

from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

#: Statuses after which a repeat of the same request may succeed.
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})


class Repeats(msgspec.Struct, frozen=True):
    """Seconds: ``patience_s`` after which no further attempt begins (0: one attempt), ``timeout_s`` for one beyond what it asks
    the service to wait, pauses from ``first_s`` to ``max_s``, each twice the one before, a random part of it off."""

    patience_s: float = 30.0
    timeout_s: float = 10.0
    first_s: float = 0.1
    max_s: float = 5.0

    def pauses(self, chance: Random) -> Iterator[float]:
        """The pauses between attempts, without end."""
        pause = self.first_s
        while True:
            yield pause * chance.uniform(0.5, 1.0)
            pause = min(pause * 2, self.max_s)
