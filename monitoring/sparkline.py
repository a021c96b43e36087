"""A line of recent numbers as SVG: no script, no style of its own."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

WIDTH: Final = 120
HEIGHT: Final = 24
#: Points of a line; of more numbers each point is the largest of those that it stands for.
POINTS: Final = 120


def sparkline(numbers: Sequence[float | None]) -> str:
    """The drawing, for a page that gives ``.spark`` its colours. Gaps stay gaps; ``""`` where no number is known. Its title
    says the smallest, the largest and the last."""
    points = _reduced(numbers)
    known = [number for number in points if number is not None]
    if not known:
        return ""
    top = max(known) or 1.0
    step = WIDTH / max(1, len(points) - 1)
    places = [
        None
        if number is None
        else (round(index * step, 1), round(HEIGHT - 1 - (HEIGHT - 2) * max(0.0, number) / top, 1))
        for index, number in enumerate(points)
    ]
    lines = [
        " ".join(f"{x},{y}" for x, y in (place for place in run if place is not None))
        for is_known, run in (
            (known_, list(group)) for known_, group in groupby(places, lambda place: place is not None)
        )
        if is_known
    ]
    drawn = "".join(f'<polyline points="{line}"/>' for line in lines)
    title = f"min {_short(min(known))}, max {_short(max(known))}, last {_short(known[-1])}"
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{title}</title>{drawn}</svg>"
    )


def _reduced(numbers: Sequence[float | None]) -> list[float | None]:
    size = -(-len(numbers) // POINTS) or 1
    chunks = (numbers[start : start + size] for start in range(0, len(numbers), size))
    return [max((number for number in chunk if number is not None), default=None) for chunk in chunks]


def _short(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"
