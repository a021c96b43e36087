"""How far a consumer is behind in a partition: messages, seconds, and whether it moves at all.

By the position that Postgres holds and the end that Kafka reports: offsets committed to Kafka are a hint (ADR 0003).
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

#: Ends of a partition remembered for the lag in seconds: ten minutes of arrivals, then the last one stands for all.
MAX_ENDS: Final = 600


class Lag(NamedTuple):
    """``messages`` after the position; ``seconds``: since the oldest of them was seen to arrive, 0 without one;
    ``still_s``: for how long the position has not moved although messages were there, 0 while it moves or has nothing to
    do."""

    messages: int
    seconds: float
    still_s: float


class LagOfPartition:
    """One consumer in one partition, looked at again and again. ``clock`` is monotonic. What happened before the first look
    is not known: times count from it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: deque[tuple[float, int]] = deque()
        self._position = -1
        self._moved_at = clock()

    def look(self, position: int, end: int) -> Lag:
        """The lag now. An end that is known late may be before the position: there is no lag then."""
        now = self._clock()
        if self._ends and len(self._ends) == MAX_ENDS:
            self._ends[-1] = (self._ends[-1][0], max(end, self._ends[-1][1]))
        elif not self._ends or self._ends[-1][1] < end:
            self._ends.append((now, end))
        while self._ends and self._ends[0][1] <= position:
            self._ends.popleft()
        messages = max(0, end - position)
        if position != self._position or not messages:
            self._position, self._moved_at = position, now
        return Lag(messages, now - self._ends[0][0] if self._ends else 0.0, now - self._moved_at)
