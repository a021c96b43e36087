"""Colours of charts: a name that we know has the same colour in every chart, and each stands out from its ground."""

from typing import Final, NamedTuple


class Theme(NamedTuple):
    """``ink``: texts and lines; ``ground``: what the chart lies on; ``series``: one colour each."""

    ink: str
    ground: str
    series: tuple[str, ...]


#: Blue, orange, green, red, purple, teal, grey, ochre. Each has a contrast of at least 3 to the ground (WCAG 1.4.11).
LIGHT: Final = Theme(
    "#333333", "#ffffff",
    ("#2563b0", "#c2570c", "#2a7d3f", "#b3261e", "#7b4fb5", "#0f7f86", "#6b7280", "#8a6500"),
)  # fmt: skip
DARK: Final = Theme(
    "#d8d8d8", "#202226",
    ("#8ab4f8", "#f4a261", "#7fcf95", "#f28b82", "#c4a7f0", "#6fd3d8", "#a2a4ab", "#e5c558"),
)  # fmt: skip
#: Name → place of its colour; the order is that of the series in a chart.
_PLACES: Final = {
    # statuses of a subscription
    "INCOMPLETE": 6, "ACTIVE": 0, "PAST_DUE": 7, "ON_HOLD": 1, "ENDED": 3,
    # movements of the run rate
    "NEW": 0, "RETURN": 5, "RECOVERED": 2, "HELD": 7, "CHURN_VOLUNTARY": 1, "CHURN_INVOLUNTARY": 3,
    # renewals
    "first_try": 0, "recovered": 2, "open": 7, "failed": 3,
    "voluntary_percent": 1, "involuntary_percent": 3,
    # classes of declines
    "SOFT": 0, "WEAK": 7, "CUSTOMER": 4, "DEAD": 3,
    # the books
    "gross": 0, "refunds": 3, "net": 2,
}  # fmt: skip
_ORDER: Final = {name: number for number, name in enumerate(_PLACES)}


def in_order(names: list[str]) -> list[str]:
    """Known names in their order, then the others as they come."""
    return sorted(names, key=lambda name: _ORDER.get(name, len(_ORDER)))


def colours(names: list[str], theme: Theme) -> dict[str, str]:
    """A colour for each of at most as many names as the theme has colours."""
    free = [place for place in range(len(theme.series)) if place not in {_PLACES.get(name) for name in names}]
    return {name: theme.series[_PLACES[name] if name in _PLACES else free.pop(0)] for name in names}


def mixed(share: float, theme: Theme) -> str:
    """The ground, with up to two fifths of the first colour: the ink stays legible on it."""
    ground, colour = _rgb(theme.ground), _rgb(theme.series[0])
    part = 0.4 * share
    return "#" + "".join(f"{round(g + part * (c - g)):02x}" for g, c in zip(ground, colour, strict=True))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
