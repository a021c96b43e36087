"""What processes tell of themselves, as Prometheus has it: the items of the watch table that the live page shows."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import aiohttp
import msgspec
import structlog

from monitoring.json_api import ERRORS, open_session, read
from monitoring.watch import TABLE, Unit, Watched

log = structlog.get_logger(__name__)

#: Seconds that are looked back on, and between two points.
LATELY_S: Final = 7200
STEP_S: Final = 60
#: Answers are kept for so long, seconds: many pages may be open.
KEPT_S: Final = 10.0
#: Seconds until Prometheus has to have answered everything.
TIMEOUT_S: Final = 5.0
#: Series that are shown of an item: those with the largest last number.
SERIES_MAX: Final = 12
SHOWN: Final = tuple(watched for watched in TABLE if watched.on_page)


class Line(NamedTuple):
    """One series. ``label``: what tells it apart; ``points``: the oldest first, ``None`` where there is none."""

    label: str
    points: list[float | None]

    @property
    def last(self) -> float | None:
        """The number now."""
        return self.points[-1]


class Measure(NamedTuple):
    """An item and its series, the largest first."""

    watched: Watched
    lines: list[Line]


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Result(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    data: _Result


class Prometheus:
    """Asks one Prometheus (its HTTP API v1). ``clock``: monotonic seconds; ``now``: Unix seconds."""

    def __init__(
        self, url: str, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query_range"
        self._clock, self._now = clock, now
        self._lock = asyncio.Lock()
        self._read_at = -KEPT_S
        self._known: list[Measure] | None = None

    async def measures(self) -> list[Measure] | None:
        """All that the page shows, at most :data:`KEPT_S` old; ``None``: Prometheus does not answer."""
        async with self._lock:
            if self._clock() - self._read_at >= KEPT_S:
                try:
                    self._known = await self._read()
                except ERRORS as error:
                    log.warning("prometheus does not answer", error=repr(error))
                    self._known = None
                self._read_at = self._clock()
            return self._known

    async def _read(self) -> list[Measure]:
        end = self._now() // STEP_S * STEP_S
        async with asyncio.timeout(TIMEOUT_S), open_session(TIMEOUT_S) as session:
            found = await asyncio.gather(*(self._lines(session, watched, end) for watched in SHOWN))
        return [Measure(watched, lines) for watched, lines in zip(SHOWN, found, strict=True)]

    async def _lines(self, session: aiohttp.ClientSession, watched: Watched, end: float) -> list[Line]:
        times = [end - LATELY_S + number * STEP_S for number in range(LATELY_S // STEP_S + 1)]
        asked = {"query": watched.query, "start": str(times[0]), "end": str(end), "step": str(STEP_S)}
        answer: _Answer = await read(session, self._url, _Answer, asked)
        lines = []
        for series in answer.data.result:
            values = {at: _number(value) for at, value in series.values}
            points = [values.get(at) for at in times]
            # Rates of what never happens are left out; a share or a time of 0 says something.
            if any(points) or (watched.unit is not Unit.PER_S and any(point is not None for point in points)):
                lines.append(Line(_label(watched.legend, series.metric), points))
        return sorted(lines, key=lambda line: (-(line.last or 0.0), line.label))[:SERIES_MAX]


def _label(legend: str, labels: dict[str, str]) -> str:
    """A legend with the labels of a series in its braces."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def _number(text: str) -> float | None:
    number = float(text)
    return number if number == number and abs(number) != float("inf") else None  # noqa: PLR0124 - not a NaN
