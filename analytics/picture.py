"""Charts of reports, drawn without a display."""

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from analytics import words
from analytics.colours import DARK, LIGHT, Theme, colours, mixed
from analytics.report import Report, Result
from analytics.series import Cohorts, Panel, cohorts, panels


class Size(NamedTuple):
    """Inches of a chart of one panel, and how many labels and entries of the legend fit side by side."""

    width: float
    height: float
    labels: int
    legend: int


#: Where a chart stands → its size. On a page it is drawn as large as it is shown, so that its text is legible.
SIZES: Final = {
    "file": Size(11.0, 6.0, 12, 6),
    "page": Size(12.5, 4.6, 14, 8),
    "card": Size(6.0, 3.4, 7, 4),
    "phone": Size(3.5, 3.3, 4, 2),
}
DPI: Final = 120
#: A further panel, in heights of the first.
NEXT_PANEL: Final = 0.8
#: Categories of a bar chart, and columns of cohorts, that are legible. The table has all.
CATEGORIES_MAX: Final = 20
COLUMNS_MAX: Final = 24
#: Characters of a category's name.
NAME_MAX: Final = 24
#: Stacked bars that can be told apart; more are drawn as areas.
BARS_MAX: Final = 62
#: The y axis, in heights of the topmost point.
HEADROOM: Final = 1.08
#: The axis of bars with their numbers beside them, in lengths of the longest bar.
ROOM_FOR_NUMBERS: Final = 1.15
#: Points of a line with a mark each.
MARKS_MAX: Final = 31
#: The parts drawn in the colour of the text.
INKED: Final = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


def png(report: Report, result: Result) -> bytes:
    """The chart defined in the report's header, with the question as its title, a panel per currency; without rows, it
    contains a note."""
    return _drawn(report, result, "png", SIZES["file"], LIGHT, title=report.question)


def svg(report: Report, result: Result, *, size: str, dark: bool) -> bytes:
    """The chart for a page: no title, since the page shows the question, and a transparent background. Not for two
    threads at once: matplotlib's colours are global."""
    from matplotlib import rc_context

    theme = DARK if dark else LIGHT
    chosen: dict[Any, Any] = dict.fromkeys(INKED, theme.ink)
    # A fixed salt: the same result is the same file.
    with rc_context({**chosen, "svg.fonttype": "none", "svg.hashsalt": "billing"}):
        return _drawn(report, result, "svg", SIZES[size], theme, title=None)


def _drawn(report: Report, result: Result, format: str, size: Size, theme: Theme, *, title: str | None) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heat = report.chart.kind == "heat"
    parts: Sequence[Panel | Cohorts] = cohorts(report, result) if heat else panels(report, result)
    height = size.height * (1 + NEXT_PANEL * max(len(parts) - 1, 0))
    figure = Figure(figsize=(size.width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title is not None:
        figure.suptitle(title, fontsize=12, wrap=True)
    if not parts:
        figure.text(0.5, 0.5, "no rows", ha="center")
    handles: dict[str, Any] = {}
    for axes, part in zip(figure.subplots(len(parts), squeeze=False).flat if parts else (), parts, strict=True):
        axes.set_title(_heading(report, part.currency), loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        if isinstance(part, Cohorts):
            _draw_cohorts(axes, part, report, theme)
        else:
            handles |= _draw_panel(axes, part, report, size, theme)
    if len(handles) > 1:
        # Outside of the axes: it lies on no bar.
        figure.legend(
            handles.values(), handles, loc="outside lower center", ncols=min(size.legend, len(handles)), frameon=False
        )
    picture = io.BytesIO()
    figure.savefig(
        picture, format=format, transparent=format == "svg", metadata={"Date": None} if format == "svg" else None
    )
    return picture.getvalue()


def _heading(report: Report, currency: str | None) -> str:
    """What the values are: ``MRR, RUB``, or ``RUB: recovered, %`` where they are no money."""
    y = report.chart.y
    text = words.heading(y[0], report.money, currency) if len(y) == 1 else words.unit(y[0], report.money, currency)
    return text if currency is None or y[0] in report.money else f"{currency}: {text or 'number'}"


def _draw_panel(axes: Any, panel: Panel, report: Report, size: Size, theme: Theme) -> dict[str, Any]:
    """Draw the series; what the legend shows, by its text."""
    from matplotlib.ticker import MaxNLocator

    chart = report.chart
    names = list(panel.lines)[: len(theme.series)]
    colour = colours(names, theme)
    missing = 0.0 if chart.kind == "stack" else float("nan")
    lines = {name: [missing if value is None else value for value in panel.lines[name]] for name in names}
    texts = {name: _series_label(report, name) for name in names}
    categories = chart.kind == "bar" and isinstance(panel.places[0], str)
    values = axes.xaxis if categories else axes.yaxis
    if categories:
        handles = _draw_categories(axes, panel, lines, colour, chart.x)
    else:
        draw = {"line": _draw_lines, "stack": _draw_stack, "bar": _draw_bars}[chart.kind]
        handles = draw(axes, lines, colour, theme)
        _label_places(axes, panel.places, chart.x, size.labels)
        axes.set_xlim(-0.6, len(panel.places) - 0.4)
        if not any(value < 0 for line in lines.values() for value in line):
            axes.set_ylim(0, (axes.dataLim.y1 if axes.dataLim.y1 > 0 else 1) * HEADROOM)
    axes.grid(axis="x" if categories else "y", alpha=0.3)
    axes.set_axisbelow(True)
    counts = all(not words.is_rate(column) and column not in report.money for column in chart.y)
    values.set_major_locator(MaxNLocator(4 if categories else 6, integer=counts, steps=[1, 2, 2.5, 5, 10]))
    values.set_major_formatter(lambda value, _place: words.decimal(value))
    return {texts.get(name, name): handle for name, handle in handles.items()}


def _draw_lines(axes: Any, lines: dict[str, list[float]], colour: dict[str, str], _theme: Theme) -> dict[str, Any]:
    return {
        name: axes.plot(
            range(len(line)), line, color=colour[name], marker="o" if len(line) <= MARKS_MAX else None, markersize=4
        )[0]
        for name, line in lines.items()
    }


def _draw_bars(axes: Any, lines: dict[str, list[float]], colour: dict[str, str], _theme: Theme) -> dict[str, Any]:
    width = 0.8 / len(lines)
    first = -0.4 + width / 2
    return {
        name: axes.bar([place + first + number * width for place in range(len(line))], line, width, color=colour[name])
        for number, (name, line) in enumerate(lines.items())
    }


def _draw_stack(axes: Any, lines: dict[str, list[float]], colour: dict[str, str], theme: Theme) -> dict[str, Any]:
    """What rises from 0 upwards, what falls downwards, and where there is both a line of the sum."""
    count = max(map(len, lines.values()))
    above, below = [0.0] * count, [0.0] * count
    handles: dict[str, Any] = {}
    for name, line in lines.items():
        base = [up if value >= 0 else down for value, up, down in zip(line, above, below, strict=True)]
        above = [up + max(value, 0) for value, up in zip(line, above, strict=True)]
        below = [down + min(value, 0) for value, down in zip(line, below, strict=True)]
        if count <= BARS_MAX:
            handles[name] = axes.bar(range(count), line, 0.8, bottom=base, color=colour[name])
        else:
            top = [start + value for start, value in zip(base, line, strict=True)]
            handles[name] = axes.fill_between(range(count), base, top, step="mid", linewidth=0, color=colour[name])
    if any(below):
        net = [up + down for up, down in zip(above, below, strict=True)]
        axes.axhline(0, color=theme.ink, linewidth=0.8)
        (handles["net change"],) = axes.plot(range(count), net, color=theme.ink, marker="o", markersize=4)
    return handles


def _draw_categories(
    axes: Any, panel: Panel, lines: dict[str, list[float]], colour: dict[str, str], column: str
) -> dict[str, Any]:
    """Bars from left to right, so that names of any length can be read."""
    places = panel.places[:CATEGORIES_MAX]
    width = 0.8 / len(lines)
    first = -0.4 + width / 2
    handles = {}
    for number, (name, line) in enumerate(lines.items()):
        at = [place + first + number * width for place in range(len(places))]
        handles[name] = axes.barh(at, line[: len(places)], width, color=colour[name])
        if len(lines) == 1:
            axes.bar_label(handles[name], fmt=words.decimal, padding=3, fontsize=9)
    axes.set_yticks(range(len(places)), [_short(words.label(place, column)) for place in places])
    axes.invert_yaxis()
    if not any(value < 0 for line in lines.values() for value in line):
        axes.set_xlim(0, (axes.dataLim.x1 if axes.dataLim.x1 > 0 else 1) * ROOM_FOR_NUMBERS)
    if len(panel.places) > len(places):
        axes.set_xlabel(f"the first {len(places)} of {len(panel.places)}")
    return handles


def _draw_cohorts(axes: Any, found: Cohorts, report: Report, theme: Theme) -> None:
    columns = found.columns[:COLUMNS_MAX]
    for at, (_, _, cells) in enumerate(found.rows):
        for number, cell in enumerate(cells[: len(columns)]):
            if cell is not None:
                text, share = cell
                axes.barh(at, 0.96, 0.92, left=number - 0.48, color=mixed(share, theme))
                axes.text(number, at, text, ha="center", va="center", fontsize=8, color=theme.ink)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(found.rows)), [f"{name} ({size})" if size else name for name, size, _ in found.rows])
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    note = f" (the first {len(columns)} of {len(found.columns)})" if len(found.columns) > len(columns) else ""
    axes.set_xlabel(words.title(report.chart.x) + note)


def _label_places(axes: Any, places: Sequence[Any], column: str, most: int) -> None:
    """Label every n-th place; dates without the year, which stands below the first and where it changes."""
    step = -(-len(places) // most)
    shown = range(0, len(places), step)
    texts, year = [], None
    for at in shown:
        place = places[at]
        if not isinstance(place, date):
            texts.append(_short(words.label(place, column)))
            continue
        text = f"{place:%b}" if column in words.MONTHS else f"{place.day} {place:%b}"
        text += f" {place:%H:%M}" if isinstance(place, datetime) else ""
        texts.append(text if place.year == year else f"{text}\n{place.year}")
        year = place.year
    axes.set_xticks(list(shown), texts)
    if not isinstance(places[0], date):
        axes.set_xlabel(words.title(column))


def _series_label(report: Report, name: str) -> str:
    """The text of a series in the legend."""
    chart = report.chart
    if chart.by is None:
        return words.title(name)
    by, _, column = name.rpartition(" ") if len(chart.y) > 1 else (name, "", "")
    return " ".join(filter(None, (words.label(by, chart.by), column and words.title(column))))


def _short(text: str) -> str:
    return text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"
