"""The chart of a report as a Vega-Lite specification: data, units and readable dates; how it is drawn is Vega's."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from analytics import words
from analytics.colours import Theme, colours, mixed
from analytics.report import Report, Result
from analytics.series import Cohorts, Panel, cohorts, panels

Spec = dict[str, Any]


class Size(NamedTuple):
    """Pixels of a chart of one panel, and how many labels and entries of the legend fit side by side."""

    width: int
    height: int
    labels: int
    legend: int


#: Where a chart stands → its size. On a page it is drawn as large as it is shown, so that its text is legible.
SIZES: Final = {
    "file": Size(1056, 576, 12, 6),
    "page": Size(1200, 442, 14, 8),
    "card": Size(576, 326, 7, 4),
    "phone": Size(336, 317, 4, 2),
}
#: A further panel, in heights of the first.
NEXT_PANEL: Final = 0.8
#: Pixels beside the plots of a chart of several panels, for the labels of their axes.
BESIDE: Final = 80
#: Categories of a bar chart, and columns of cohorts, that are legible. The table has all.
CATEGORIES_MAX: Final = 20
COLUMNS_MAX: Final = 24
#: Characters of a category's name, and of a line of the title.
NAME_MAX: Final = 24
TITLE_MAX: Final = 110
#: Stacked bars that can be told apart; more are drawn as areas.
BARS_MAX: Final = 62
#: Ticks of the axis of values, about.
TICKS: Final = 5
#: Pixels of a character, about.
CHARACTER: Final = 7.5
#: Pixels of a bar at most: a few bars stay bars.
BAR_MAX: Final = 44
CELL_MAX: Final = (110, 44)
#: Points of a line with a mark each.
MARKS_MAX: Final = 31
#: Lines with their names at their ends; more have a legend.
NAMED_LINES_MAX: Final = 4
#: The least distance of two such names, in heights of the axis.
NAMES_APART: Final = 0.07
#: The line of the sum of what rises and falls.
NET: Final = "net change"
#: What charts say beside the words of their reports.
NO_ROWS: Final = "no rows"
NUMBER: Final = "number"
FIRST: Final = "the first %(shown)s of %(all)s"
#: A tick as :func:`analytics.words.decimal` writes it, in the words of Vega.
_NUMBER: Final = (
    "replace(format(datum.value, abs(datum.value) >= 1000 ? ',.0f' : abs(datum.value) < 0.005 ? '.0f' : ',.2~f'),"
    " regexp(',', 'g'), '\u202f')"
)


def chart(report: Report, result: Result, size: Size, theme: Theme, *, title: str | None) -> Spec:
    """The specification: a panel per currency; a note where there are no rows."""
    heat = report.chart.kind == "heat"
    parts: Sequence[Panel | Cohorts] = cohorts(report, result) if heat else panels(report, result)
    spec: Spec = {"background": "white" if title else "transparent", "padding": 8, "config": _config(size, theme)}
    question = {"text": textwrap.wrap(title or "", TITLE_MAX), "fontSize": 15, "offset": 14}
    if title is not None:
        spec["title"] = question
    if not parts:
        nothing = {"mark": {"type": "text", "text": words.say(NO_ROWS), "fontSize": 14}, "data": {"values": [{}]}}
        return {**spec, **nothing, "width": size.width - 20, "height": size.height - 20, "view": {"stroke": None}}
    drawn = [_part(part, report, size, theme) for part in parts]
    if len(drawn) == 1:
        fit = {"type": "fit", "contains": "padding"}
        if title is not None:
            drawn[0]["title"] = {
                **question,
                "subtitle": drawn[0]["title"],
                "subtitleFontSize": 13,
                "subtitlePadding": 8,
            }
        return {**spec, **drawn[0], "width": size.width, "height": size.height, "autosize": fit}
    heights = [size.height - BESIDE, *(round(size.height * NEXT_PANEL) - BESIDE for _ in drawn[1:])]
    stacked = [{**part, "width": size.width - BESIDE, "height": h} for part, h in zip(drawn, heights, strict=True)]
    return {**spec, "vconcat": stacked, "spacing": 24, "resolve": {"scale": {"color": "shared"}}}


def _config(size: Size, theme: Theme) -> Spec:
    quiet = {"domain": False, "ticks": False, "gridOpacity": 0.25, "gridColor": theme.ink, "labelPadding": 6}
    text = {"labelColor": theme.ink, "titleColor": theme.ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "font": "DejaVu Sans, Verdana, sans-serif",
        "view": {"stroke": None},
        "axis": {**quiet, **text, "titleFontWeight": "normal", "grid": False},
        "legend": {**text, "orient": "bottom", "columns": size.legend, "symbolStrokeWidth": 0, "labelLimit": 0, "title": None},
        "title": {"color": theme.ink, "fontSize": 13, "fontWeight": "bold", "anchor": "start", "offset": 10, "subtitleColor": theme.ink},
        "text": {"color": theme.ink, "fontSize": 12},
        "rule": {"color": theme.ink},
    }  # fmt: skip


def _part(part: Panel | Cohorts, report: Report, size: Size, theme: Theme) -> Spec:
    layers = _cohorts(part, report, size, theme) if isinstance(part, Cohorts) else _panel(part, report, size, theme)
    return {"title": _heading(report, part.currency), "layer": layers}


def _heading(report: Report, currency: str | None) -> str:
    """What the values are: ``MRR, RUB``, or ``RUB: recovered, %`` where they are no money."""
    y = report.chart.y
    text = words.heading(y[0], report.money, currency) if len(y) == 1 else words.unit(y[0], report.money, currency)
    return text if currency is None or y[0] in report.money else f"{currency}: {text or words.say(NUMBER)}"


def _panel(panel: Panel, report: Report, size: Size, theme: Theme) -> list[Spec]:
    names = list(panel.lines)[: len(theme.series)]
    series = _Series(
        {name: panel.lines[name] for name in names},
        {name: _series_label(report, name) for name in names},
        colours(names, theme),
    )
    column, kind = report.chart.x, report.chart.kind
    counts = all(not words.is_rate(y) and y not in report.money for y in report.chart.y)
    if kind == "bar" and isinstance(panel.places[0], str):
        return _categories(series, panel.places, column, size, counts=counts)
    if len(panel.places) == 1:
        return _one_place(series, panel.places[0], column, size, counts=counts)
    x = _places(panel.places, column, size.labels)
    if kind == "line":
        return _lines(series, x, theme, size, counts=counts)
    if kind == "stack":
        thin = _thin(len(panel.places), BAR_MAX, size.width)
        return _stack(series, {**x, "scale": thin}, theme, counts=counts)
    return _bars(series, {**x, "scale": _thin(len(panel.places), BAR_MAX * len(names), size.width)}, counts=counts)


def _thin(bands: int, most: int, room: int, least: float = 0.2) -> Spec:
    """A scale of bands of ``most`` pixels or less, evenly apart in the ``room``; ``least``: the gap at least, in bands."""
    gap = max(least, 1 - most * bands / max(room - BESIDE, 1))
    return {"paddingInner": gap, "paddingOuter": gap / 2}


class _Series(NamedTuple):
    """The lines of a panel by name, with the text and the colour of each."""

    lines: Mapping[str, Sequence[float | None]]
    texts: Mapping[str, str]
    colours: Mapping[str, str]

    def rows(self, *, missing: float | None = None) -> list[Spec]:
        """A row for each value: place, series, value."""
        return [
            {"place": place, "series": self.texts[name], "value": missing if value is None else value}
            for name, line in self.lines.items()
            for place, value in enumerate(line)
        ]

    def colour(self, more: Mapping[str, str] | None = None, *, legend: bool = True) -> Spec:
        """The colour of each series, and ``more`` by text; with a legend where there are two at least."""
        domain = {self.texts[name]: self.colours[name] for name in self.lines} | dict(more or {})
        found = {"scale": {"domain": list(domain), "range": list(domain.values())}}
        return {
            "field": "series",
            "type": "nominal",
            **found,
            **({} if legend and len(domain) > 1 else {"legend": None}),
        }

    def numbers(self) -> list[float]:
        """All values that there are."""
        return [value for line in self.lines.values() for value in line if value is not None]


def _values(numbers: Iterable[float], *, counts: bool, room: float = 1.0) -> Spec:
    """The axis of values from zero to the furthest, or to the next tick; in whole numbers where they are counts."""
    found = [0.0, *numbers]
    least, most = min(found), max(found) or (0 if min(found) else 1)
    step = _step((most - least) / TICKS, counts=counts)
    if room == 1:
        least, most = step * math.floor(least / step), step * math.ceil(most / step)
    ticks = [step * n for n in range(math.ceil(room * least / step), math.floor(room * most / step) + 1)]
    scale = {"domainMin": room * least, "domainMax": room * most, "nice": False}
    axis = {"grid": True, "values": ticks, "labelExpr": f"replace({_NUMBER}, '.', {json.dumps(words.mark())})"}
    return {"field": "value", "type": "quantitative", "title": None, "scale": scale, "axis": axis}


def _step(least: float, *, counts: bool) -> float:
    """The distance of two ticks: a round number, of ``least`` at least."""
    power = math.floor(math.log10(least))
    steps = (factor * 10.0 ** (power + more) for more in (0, 1, 2) for factor in (1, 2, 2.5, 5))
    return next(step for step in steps if step >= least and (not counts or step == int(step)))


def _places(places: Sequence[Any], column: str, most: int) -> Spec:
    """The axis of places: every n-th has a label; dates without the year, which stands below the first and where it
    changes."""
    step = -(-len(places) // most)
    shown = range(0, len(places), step)
    texts: dict[int, list[str]] = {}
    year = None
    for at in shown:
        place = places[at]
        if not isinstance(place, date):
            texts[at] = [_short(words.label(place, column))]
            continue
        month = words.short_month(place)
        text = month if column in words.MONTHS else f"{place.day} {month}"
        text += f" {place:%H:%M}" if isinstance(place, datetime) else ""
        texts[at] = [text] if place.year == year else [text, str(place.year)]
        year = place.year
    label = f"{json.dumps(texts)}[datum.value]"
    title = None if isinstance(places[0], date) else words.title(column)
    axis = {"values": list(shown), "labelExpr": label, "labelAngle": 0, "labelOverlap": False, "title": title}
    return {"field": "place", "type": "ordinal", "axis": axis}


def _lines(series: _Series, x: Spec, theme: Theme, size: Size, *, counts: bool) -> list[Spec]:
    numbers = series.numbers()
    longest = max(map(len, series.lines.values()))
    y = _values(numbers, counts=counts)
    named = 1 < len(series.lines) <= NAMED_LINES_MAX and size.labels >= SIZES["file"].labels
    mark: Spec = {"type": "line", "strokeWidth": 2, "point": {"size": 32} if longest <= MARKS_MAX else False}
    layers: list[Spec] = [
        {
            "data": {"values": series.rows()},
            "mark": mark,
            "encoding": {"x": {**x, "scale": {"type": "point"}}, "y": y, "color": series.colour(legend=not named)},
        }
    ]
    if named:
        text = {"type": "text", "align": "left", "dx": 10, "color": theme.ink}
        ends = {"values": _names_of_lines(series, numbers)}
        layers.append({"data": ends, "mark": text, "encoding": {"x": x, "y": y, "text": {"field": "series"}}})
    return layers


def _names_of_lines(series: _Series, numbers: Sequence[float]) -> list[Spec]:
    """The name of each line beside its last value, moved up where it would lie on another."""
    apart = NAMES_APART * ((max(numbers, default=0) - min(0, *numbers)) or 1)
    ends = []
    for name, line in series.lines.items():
        if known := [(place, value) for place, value in enumerate(line) if value is not None]:
            ends.append((known[-1][1], known[-1][0], series.texts[name]))
    found: list[Spec] = []
    for value, place, text in sorted(ends):
        at = value if not found else max(value, found[-1]["value"] + apart)
        found.append({"place": place, "value": at, "series": text})
    return found


def _bars(series: _Series, x: Spec, *, counts: bool) -> list[Spec]:
    beside = {"field": "series", "sort": list(series.texts.values())}
    y, colour = _values(series.numbers(), counts=counts), series.colour()
    return [
        {"data": {"values": series.rows()}, "mark": "bar", "encoding": {"x": x, "xOffset": beside, "y": y, "color": colour}}
    ]  # fmt: skip


def _stack(series: _Series, x: Spec, theme: Theme, *, counts: bool) -> list[Spec]:
    """What rises from 0 upwards, what falls downwards, and where there is both a line of the sum."""
    columns = list(zip(*([value or 0.0 for value in line] for line in series.lines.values()), strict=True))
    above = [sum(value for value in column if value > 0) for column in columns]
    below = [sum(value for value in column if value < 0) for column in columns]
    y = _values([*above, *below], counts=counts)
    both = any(below)
    mark: Spec = {"type": "bar"} if both or len(columns) <= BARS_MAX else {"type": "area", "interpolate": "step"}
    order = {"field": "order"}
    numbered = {text: number for number, text in enumerate(series.texts.values())}
    rows = [{**row, "order": numbered[row["series"]]} for row in series.rows(missing=0.0)]
    colour = series.colour({words.say(NET): theme.ink} if both else None)
    stacked = {"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": {**y, "stack": "zero"}, "color": colour, "order": order}}  # fmt: skip
    if not both:
        return [stacked]
    net = [
        {"place": n, "series": words.say(NET), "value": up + down}
        for n, (up, down) in enumerate(zip(above, below, strict=True))
    ]
    line = {"type": "line", "strokeWidth": 1.5, "point": {"size": 32}}
    return [
        stacked,
        {"mark": "rule", "data": {"values": [{"value": 0}]}, "encoding": {"y": {"field": "value", "type": "quantitative"}}},
        {"data": {"values": net}, "mark": line, "encoding": {"x": x, "y": y, "color": colour}},
    ]  # fmt: skip


def _one_place(series: _Series, place: Any, column: str, size: Size, *, counts: bool) -> list[Spec]:
    """A single day or month is no line: a bar for each series, with its number, and the date below."""
    date_or_title = words.label(place, column)
    if not isinstance(place, date):
        date_or_title = f"{words.title(column)} {date_or_title}"
    names = [series.texts[name] for name in series.lines]
    rows = [
        {"name": name, "series": name, "value": line[0] or 0.0}
        for name, line in zip(names, series.lines.values(), strict=True)
    ]
    return _across(rows, names, series, date_or_title, size, offset=None, counts=counts)


def _categories(series: _Series, places: Sequence[Any], column: str, size: Size, *, counts: bool) -> list[Spec]:
    """Bars from left to right, so that names of any length can be read."""
    shown = [_short(words.label(place, column)) for place in places[:CATEGORIES_MAX]]
    rows = [
        {"name": shown[place], "series": series.texts[name], "value": value or 0.0}
        for name, line in series.lines.items()
        for place, value in enumerate(line[: len(shown)])
    ]
    note = words.say(FIRST) % {"shown": len(shown), "all": len(places)} if len(places) > len(shown) else None
    offset = {"field": "series", "sort": list(series.texts.values())} if len(series.lines) > 1 else None
    return _across(rows, shown, series, note, size, offset=offset, counts=counts)


def _across(
    rows: list[Spec],
    names: list[str],
    series: _Series,
    note: str | None,
    size: Size,
    *,
    offset: Spec | None,
    counts: bool,
) -> list[Spec]:
    x = _values((row["value"] for row in rows), counts=counts, room=_room_for_numbers(rows, names, size))
    x["title"] = note
    y: Spec = {"field": "name", "type": "ordinal", "sort": names, "title": None, "axis": {"labelLimit": 0}}
    y["scale"] = _thin(len(names), BAR_MAX * (len(series.lines) if offset else 1), size.height)
    places = {"x": x, "y": y, **({"yOffset": offset} if offset else {})}
    layers: list[Spec] = [
        {"mark": "bar", "encoding": {**places, "color": series.colour(legend=offset is not None)}}
    ]  # fmt: skip
    if offset is None:
        number = {
            "type": "text",
            "align": {"expr": "datum.value < 0 ? 'right' : 'left'"},
            "dx": {"expr": "datum.value < 0 ? -5 : 5"},
        }
        rows = [{**row, "number": words.decimal(row["value"])} for row in rows]
        layers.append({"mark": number, "encoding": {**places, "text": {"field": "number"}}})
    return [{**layer, "data": {"values": rows}} for layer in layers]


def _room_for_numbers(rows: list[Spec], names: list[str], size: Size) -> float:
    """The axis of values, in lengths of the longest bar, so that a number has room beside it."""
    plot = max(size.width - CHARACTER * max(map(len, names)), size.width / 4)
    number = CHARACTER * max(len(words.decimal(row["value"])) + 2 for row in rows)
    return plot / max(plot - number, plot / 2)


def _cohorts(found: Cohorts, report: Report, size: Size, theme: Theme) -> list[Spec]:
    columns = list(found.columns[:COLUMNS_MAX])
    names = [f"{name} ({number})" if number else name for name, number, _ in found.rows]
    rows = [
        {"cohort": name, "column": column, "text": cell[0], "colour": mixed(cell[1], theme)}
        for name, (_, _, cells) in zip(names, found.rows, strict=True)
        for column, cell in zip(columns, cells, strict=False)
        if cell is not None
    ]
    first = words.say(FIRST) % {"shown": len(columns), "all": len(found.columns)}
    note = f" ({first})" if len(found.columns) > len(columns) else ""
    title = words.title(report.chart.x) + note
    x = {"field": "column", "type": "ordinal", "sort": columns, "title": title, "axis": {"labelAngle": 0}}
    y = {"field": "cohort", "type": "ordinal", "sort": names, "title": None}
    across, down = _thin(len(columns), CELL_MAX[0], size.width, 0.05), _thin(len(names), CELL_MAX[1], size.height, 0.05)
    gaps = {"x": {**x, "scale": across}, "y": {**y, "scale": down}}
    data = {"values": rows}
    cells = {"mark": "rect", "encoding": {**gaps, "color": {"field": "colour", "type": "nominal", "scale": None}}}
    text = {"mark": {"type": "text", "fontSize": 10}, "encoding": {**gaps, "text": {"field": "text"}}}
    return [{"data": data, **cells}, {"data": data, **text}]


def _series_label(report: Report, name: str) -> str:
    """The text of a series in the legend."""
    shown = report.chart
    if shown.by is None:
        return words.title(name)
    by, _, column = name.rpartition(" ") if len(shown.y) > 1 else (name, "", "")
    return " ".join(filter(None, (words.label(by, shown.by), column and words.title(column))))


def _short(text: str) -> str:
    return text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"
