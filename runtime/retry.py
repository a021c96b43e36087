"""Retries: one policy for every loop that waits for a dependency to come back, with its metrics."""

import asyncio
import time
from collections import Counter as Multiset
from collections.abc import Awaitable, Callable, Iterable
from random import Random, SystemRandom
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Pauses between two attempts, seconds: they double from the first to the longest, and each is shortened at random by
#: up to a half, so that processes which lost the same dependency do not return to it at the same moment. A recovery is
#: noticed within the longest.
PAUSE_FIRST_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0


class DependencyUnavailable(Exception):
    """A dependency (Kafka, Postgres, RabbitMQ, ClickHouse) does not answer. The same attempt may succeed later."""


class RetryStopped(Exception):
    """The event that ends the retries was set before an attempt succeeded."""


RETRIES: Final = Counter(
    "retries", "Attempts that failed and were repeated, by operation.", ("operation",), registry=None
)


class Outages(Collector):
    """Operations whose last attempt failed and that have not succeeded since, with the time of their first failure."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._failing: Multiset[str] = Multiset()

    def began(self, operation: str) -> None:
        """An operation starts to fail; the same one may fail in several tasks."""
        self._failing[operation] += 1
        self._since.setdefault(operation, time.monotonic())

    def ended(self, operation: str) -> None:
        """One of its tasks succeeded or gave up."""
        self._failing[operation] -= 1
        if not self._failing[operation]:
            del self._failing[operation], self._since[operation]

    @property
    def seconds(self) -> dict[str, float]:
        """Operation → seconds since its first failure."""
        now = time.monotonic()
        return {operation: now - since for operation, since in self._since.items()}

    def collect(self) -> Iterable[Metric]:
        """For Prometheus."""
        outages = GaugeMetricFamily(
            "outage_seconds", "Time since an operation began to fail; no series while it works.", labels=["operation"]
        )
        for operation, seconds in self.seconds.items():
            outages.add_metric([operation], seconds)
        yield outages


#: Of this process. Heartbeats read it: a process that retries is alive.
OUTAGES: Final = Outages()


class Retry:
    """Repeats an action for as long as it raises one of ``errors``; any other exception leaves at once.

    ``operation`` is the label of the metrics and the log lines: a literal, never an id. ``stop``: ends the retries
    with :class:`RetryStopped` when it is set during a pause. ``patience_s``: once the action has failed for this
    long, its error is raised. ``asked_pause_s``: the pause that an error asks for, seconds, ``None``: it asks for none; one that
    ends after ``patience_s`` raises the error at once.
    """

    def __init__(
        self,
        operation: str,
        errors: tuple[type[Exception], ...],
        *,
        stop: asyncio.Event | None = None,
        patience_s: float | None = None,
        pause_max_s: float = PAUSE_MAX_S,
        asked_pause_s: Callable[[Exception], float | None] = lambda _error: None,
        random: Random | None = None,
    ) -> None:
        self._asked_pause_s = asked_pause_s
        self._operation = operation
        self._errors = errors
        self._stop = stop
        self._patience_s = patience_s
        self._pause_max_s = pause_max_s
        self._random = random or SystemRandom()
        self._pause_s = min(PAUSE_FIRST_S, pause_max_s)
        self._failed_at: float | None = None

    async def run(self, action: Callable[[], Awaitable[T]], **context: Any) -> T:
        """The result of ``action``. ``context``: fields of the log lines."""
        try:
            while True:
                try:
                    return await action()
                except self._errors as error:
                    pause_s = self._failed(error)
                    log.warning(
                        "retrying",
                        operation=self._operation,
                        error=repr(error),
                        failing_s=round(self.failing_s, 1),
                        retry_in_s=round(pause_s, 2),
                        **context,
                    )
                await self._wait(pause_s)
        finally:
            self.succeeded()

    def succeeded(self) -> None:
        """The dependency answered: the next failure starts over with the shortest pause."""
        self._pause_s = min(PAUSE_FIRST_S, self._pause_max_s)
        if self._failed_at is not None:
            self._failed_at = None
            OUTAGES.ended(self._operation)

    @property
    def failing_s(self) -> float:
        """Seconds since the first failure; 0 while the action works."""
        return 0.0 if self._failed_at is None else time.monotonic() - self._failed_at

    def _failed(self, error: Exception) -> float:
        if self._failed_at is None:
            self._failed_at = time.monotonic()
            OUTAGES.began(self._operation)
        asked_s = self._asked_pause_s(error) or 0.0
        if self._patience_s is not None and self.failing_s + asked_s >= self._patience_s:
            raise error
        RETRIES.labels(self._operation).inc()
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, self._pause_max_s)
        return max(asked_s, pause_s * self._random.uniform(0.5, 1.0))

    async def _wait(self, pause_s: float) -> None:
        if self._stop is None:
            await asyncio.sleep(pause_s)
            return
        try:
            async with asyncio.timeout(pause_s):
                await self._stop.wait()
        except TimeoutError:
            return
        raise RetryStopped(self._operation)
