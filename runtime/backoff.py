"""Something we need is away, or will not have what we bring: how that is told, and how long to wait."""

import random
from typing import Final

#: First pause and longest pause, seconds. A recovery is noticed within the longest; the jitter keeps several
#: processes from knocking together.
FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0


class Outage(Exception):
    """A destination, Postgres or Kafka is away or refuses. Nothing is lost: the same is tried again."""


class Refused(Exception):
    """A destination looked at a batch and will never take it: something in it is wrong."""


class Backoff:
    """Pauses that double up to :data:`LONGEST_S`, each shortened at random by up to a half."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._pause_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        pause = self._pause_s
        self._pause_s = min(pause * 2, LONGEST_S)
        return pause * self._random.uniform(0.5, 1.0)
