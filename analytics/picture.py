"""Charts of reports, drawn without a display."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics.report import Report, Result
from billing.money import EXPONENTS

#: Width and height, inches. The chart on a page is smaller, so that its text is larger.
SIZES: Final = {"png": (11.0, 6.0), "svg": (7.5, 4.0)}
DPI: Final = 120
#: The most labels that are legible along the axis.
LABELS_MAX: Final = 30
#: The parts drawn in the colour of the text.
INKED: Final = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
#: Rows of the legend before a further column.
LEGEND_ROWS: Final = 8


def png(report: Report, result: Result) -> bytes:
    """The chart defined in the report's header, with the question as its title; without rows, it contains a note."""
    return _drawn(report, result, "png", title=report.question)


def svg(report: Report, result: Result, *, dark: bool) -> bytes:
    """The chart for a page: no title, since the page shows the question, and a transparent background. Not for two
    threads at once: matplotlib's colours are global."""
    from matplotlib import rc_context

    ink = "#d8d8d8" if dark else "#333333"
    chosen: dict[Any, Any] = dict.fromkeys(INKED, ink)
    # A fixed salt: the same result is the same file.
    with rc_context({**chosen, "svg.fonttype": "none", "svg.hashsalt": "billing"}):
        return _drawn(report, result, "svg", title=None)


def _drawn(report: Report, result: Result, format: str, *, title: str | None) -> bytes:
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZES[format], dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    labels, lines = series(report, result)
    if title is not None:
        axes.set_title(title, fontsize=11)
    axes.set_xlabel(report.chart.x.replace("_", " "))
    for number, (name, values) in enumerate(lines.items()):
        if report.chart.kind == "line":
            axes.plot(range(len(labels)), values, marker="o", label=name)
        else:
            width = 0.8 / len(lines)
            axes.bar([place + number * width for place in range(len(labels))], values, width, label=name)
    step = len(labels) // LABELS_MAX + 1
    axes.set_xticks(range(0, len(labels), step), labels[::step], rotation=45, ha="right")
    if all(value >= 0 for values in lines.values() for value in values):
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    digits = _digits(report, result)
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value / 10**digits:,.0f}")
    if lines:
        axes.legend(framealpha=0, ncols=len(lines) // LEGEND_ROWS + 1)
    else:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
    picture = io.BytesIO()
    figure.savefig(
        picture, format=format, transparent=format == "svg", metadata={"Date": None} if format == "svg" else None
    )
    return picture.getvalue()


def _digits(report: Report, result: Result) -> int:
    """Digits of the minor unit where all drawn columns are money of one currency; otherwise 0: values are drawn
    unscaled."""
    if not set(report.chart.y) <= set(report.money) or "currency" not in result.columns:
        return 0
    at = result.columns.index("currency")
    currencies = {row[at] for row in result.rows}
    return EXPONENTS.get(currencies.pop(), 0) if len(currencies) == 1 else 0


def series(report: Report, result: Result) -> tuple[list[str], Mapping[str, Sequence[float]]]:
    """The labels of the x axis, and by series the values of the y axis; 0 where a series has no value. Values with the
    same label and series are added."""
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
