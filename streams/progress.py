"""Whether the worker makes progress: every feed with work to do has moved lately, or its outage is known."""

import time
from collections.abc import Callable, Mapping

from runtime.retry import OUTAGES
from streams.delivery.ordered_feed import OrderedFeed


class Progress:
    """Judges each feed on its own: one that moves does not hide another that is stuck.

    ``end(topic, partition)``: the end of a partition in Kafka as far as it is known. ``outages``: operations that fail
    and are retried at the moment. ``clock``: monotonic.
    """

    def __init__(
        self,
        feeds: Mapping[str, OrderedFeed],
        end: Callable[[str, int], int],
        outages: Callable[[], Mapping[str, float]] = lambda: OUTAGES.seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feeds = feeds
        self._end = end
        self._outages = outages
        self._clock = clock
        self._seen: dict[str, tuple[dict[int, int], int]] = {}
        self._moved_at: dict[str, float] = {}

    def stalled_s(self) -> dict[str, float]:
        """Topic → seconds for which its feed has had work to do and not moved, while nothing was known to fail. Call
        it once a second."""
        now, outage = self._clock(), bool(self._outages())
        for topic, feed in self._feeds.items():
            seen = (dict(feed.expected), feed.processed)
            if outage or seen != self._seen.get(topic) or not self._has_work(topic, feed):
                self._seen[topic], self._moved_at[topic] = seen, now
        return {topic: now - moved_at for topic, moved_at in self._moved_at.items()}

    def _has_work(self, topic: str, feed: OrderedFeed) -> bool:
        behind = any(self._end(topic, partition) > offset for partition, offset in feed.expected.items())
        return behind or feed.working or feed.waiting > 0
