"""A trace as bars in time, for a page or a terminal: where each span begins and how long it is, as shares of the whole."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from billing.trace import Span

_MILLISECOND: Final = timedelta(milliseconds=1)
#: Where nothing happened for so long, a new episode begins: on one scale with the pause no bar would be seen.
PAUSE: Final = timedelta(seconds=20)


class Bar(msgspec.Struct, frozen=True):
    """A span. ``after_ms``: since the first span began; ``took_ms``: milliseconds; ``start`` and ``length``: shares of the
    whole, 0 to 1."""

    span: Span
    after_ms: float
    took_ms: float
    start: float
    length: float


class Episode(msgspec.Struct, frozen=True):
    """Spans without a long pause between them. ``begin``: UTC; ``pause``: since the episode before it ended, ``None`` for
    the first one."""

    begin: datetime
    pause: timedelta | None
    bars: list[Bar]

    @property
    def whole_ms(self) -> float:
        """Milliseconds from the first span's start to the last one's end."""
        return max(bar.after_ms + bar.took_ms for bar in self.bars)


def bars(spans: Sequence[Span]) -> list[Bar]:
    """The spans on one scale, in their order; at least one."""
    begin = min(span.start for span in spans)
    whole = max(max(span.end for span in spans) - begin, _MILLISECOND)
    return [
        Bar(
            span,
            (span.start - begin) / _MILLISECOND,
            (span.end - span.start) / _MILLISECOND,
            (span.start - begin) / whole,
            (span.end - span.start) / whole,
        )
        for span in spans
    ]


def episodes(spans: Sequence[Span]) -> list[Episode]:
    """The spans, in the order of their start, each episode on a scale of its own."""
    groups: list[tuple[timedelta | None, list[Span]]] = []
    end: datetime | None = None
    for span in spans:
        if end is None or span.start - end > PAUSE:
            groups.append((None if end is None else span.start - end, []))
        groups[-1][1].append(span)
        end = span.end if end is None else max(end, span.end)
    return [Episode(found[0].start, pause, bars(found)) for pause, found in groups]
