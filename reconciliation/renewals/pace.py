"""How many subscriptions may be woken now."""

from typing import Final

import msgspec
from token_bucket import MemoryStorage

#: Tokens are saved up for this long, seconds: a pause between two runs costs nothing, a night brings no burst.
_SAVED_S: Final = 10


class Bounds(msgspec.Struct, frozen=True):
    """Limits of the job. ``per_s``: charges a second and provider, ``None``: any number. ``unanswered``: renewals of a
    provider of which nothing is known yet: fewer than its lane of calls takes (streams/provider_calls/agent.py).
    ``waiting``: messages in the inbox that the subscriptions agent has not processed. ``page``: rows read at once."""

    per_s: float | None = 50.0
    unanswered: int = 800
    waiting: int = 20_000
    page: int = 5_000


class Pace:
    """Tokens of each provider for charges; they come with time."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._tokens = MemoryStorage()

    def room(self, provider: str, unanswered: int, waiting: int) -> int:
        """Charges of a provider that may be asked for now. ``waiting``: in the inbox; each may turn out to be a charge."""
        bounds = self._bounds
        room = min(bounds.page, bounds.unanswered - unanswered - waiting, bounds.waiting - waiting)
        if bounds.per_s is not None:
            self._tokens.replenish(provider, bounds.per_s, max(1, round(bounds.per_s * _SAVED_S)))
            room = min(room, int(self._tokens.get_token_count(provider)))
        return max(0, room)

    def room_for_others(self, waiting: int) -> int:
        """Wake-ups for which nobody is charged."""
        return max(0, min(self._bounds.page, self._bounds.waiting - waiting))

    def spend(self, provider: str, charges: int) -> None:
        """Charges of a provider were asked for."""
        if self._bounds.per_s is not None:
            self._tokens.consume(provider, charges)
