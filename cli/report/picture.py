"""A report as a PNG, drawn without a display."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics.report import Report, Result

WIDTH_INCHES: Final = 11.0
HEIGHT_INCHES: Final = 6.0
DPI: Final = 120
#: Labels along the axis that can still be read.
LABELS_MAX: Final = 30


def png(report: Report, result: Result) -> bytes:
    """The chart that the report's header asks for; an empty one says so."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels, lines = series(report, result)
    axes.set_title(report.question, fontsize=11)
    axes.set_xlabel(report.chart.x.replace("_", " "))
    for number, (name, values) in enumerate(lines.items()):
        if report.chart.kind == "line":
            axes.plot(range(len(labels)), values, marker="o", label=name)
        else:
            width = 0.8 / len(lines)
            axes.bar([place + number * width for place in range(len(labels))], values, width, label=name)
    step = len(labels) // LABELS_MAX + 1
    axes.set_xticks(range(0, len(labels), step), labels[::step], rotation=45, ha="right")
    axes.grid(axis="y", alpha=0.3)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    if lines:
        axes.legend()
    else:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def series(report: Report, result: Result) -> tuple[list[str], Mapping[str, Sequence[float]]]:
    """The labels along, and the values up by the name of their series; where a series has none, 0. Values that
    share a label and a series are added up."""
    at = {column: number for number, column in enumerate(result.columns)}
    labels = list(dict.fromkeys(str(row[at[report.chart.x]]) for row in result.rows))
    place = {label: number for number, label in enumerate(labels)}
    found: dict[str, list[float]] = {}
    for row in result.rows:
        for column in report.chart.y:
            name = _name(report, column, None if report.chart.by is None else row[at[report.chart.by]])
            values = found.setdefault(name, [0.0] * len(labels))
            values[place[str(row[at[report.chart.x]])]] += float(row[at[column]])
    return labels, found


def _name(report: Report, column: str, by: Any) -> str:
    word = column.replace("_", " ")
    if by is None:
        return word
    return f"{by} {word}" if len(report.chart.y) > 1 else str(by)
