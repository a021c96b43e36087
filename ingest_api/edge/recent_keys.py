"""The commands this process stored lately: who uses an Idempotency-Key for another body is told at once."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

#: Commands remembered, some 200 bytes each: at 2,500 a second the last 40 seconds, which is when keys are reused by
#: mistake. Older ones, and those of other processes, are for the payments agent to find.
REMEMBERED: Final = 100_000


class RecentKeys:
    """Payment id → fingerprint of the body it was opened with."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._fingerprints: OrderedDict[UUID, str] = OrderedDict()

    def conflicts(self, payment_id: UUID, fingerprint: str) -> bool:
        """Whether the payment is known to have been opened with another body."""
        return self._fingerprints.get(payment_id, fingerprint) != fingerprint

    def remember(self, payment_id: UUID, fingerprint: str) -> None:
        """A command was stored. The first with its key counts: the agent sees it first."""
        self._fingerprints.setdefault(payment_id, fingerprint)
        if len(self._fingerprints) > self._limit:
            self._fingerprints.popitem(last=False)
