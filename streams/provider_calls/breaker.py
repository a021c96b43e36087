"""A circuit breaker: while a provider fails almost every call, it is not called.

Own code, because what counts is a call's outcome and not an exception; see docs/adr/0008.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from billing.reasons import Reason
from billing.vocabulary import Outcome
from providers.base import CallResult

#: Recent calls that count, and how many there must be before the breaker can open.
WINDOW: Final = 50
JUDGED_FROM: Final = 20
#: The share of failed calls among them that opens the breaker. While one call in twenty succeeds, calling helps.
FAILED_SHARE: Final = 0.95
#: Seconds before one call is admitted to test whether the provider is back.
OPEN_S: Final = 10.0

#: Failures in which the provider answered: no sign of an outage.
ANSWERED: Final = frozenset({Reason.ALREADY_KNOWN, Reason.PROVIDER_BUSY})


class State(StrEnum):
    """CLOSED lets calls through, OPEN does not, PROBING waits for one to end."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """One provider's breaker in one worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = State.CLOSED
        #: How the last failed call failed.
        self.reason = ""
        self._clock = clock
        self._failed: deque[bool] = deque(maxlen=WINDOW)
        self._opened = 0.0

    def admit(self) -> bool:
        """Whether a call may be made now. One that was admitted must be followed by :meth:`note`."""
        if self.state is State.OPEN and self._clock() - self._opened >= OPEN_S:
            self.state = State.PROBING
            return True
        return self.state is State.CLOSED

    def note(self, result: CallResult) -> None:
        """Record how an admitted call ended."""
        failed = is_failure(result)
        if failed:
            self.reason = result.reason or result.outcome
        if self.state is State.PROBING:
            self._turn(State.OPEN if failed else State.CLOSED)
        elif self.state is State.CLOSED:
            self._failed.append(failed)
            if failed and len(self._failed) >= JUDGED_FROM and sum(self._failed) >= FAILED_SHARE * len(self._failed):
                self._turn(State.OPEN)

    def _turn(self, state: State) -> None:
        self.state = state
        self._failed.clear()
        self._opened = self._clock()


def is_failure(result: CallResult) -> bool:
    """Whether the result is a sign of an outage: no answer, or an answer without information."""
    return result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) and result.reason not in ANSWERED
