"""What a chart shows of a report's result: panels of series, or cohorts side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from analytics import words
from analytics.colours import in_order
from analytics.report import Report, Result

#: The longest time that is drawn without gaps, days, months or hours: about ten years of days.
PLACES_MAX: Final = 4_000


@dataclass(frozen=True, slots=True)
class Panel:
    """Series of one currency, whose amounts are never added to another's. ``places``: values of the x axis; ``lines``:
    series → a value per place in the unit of its column, ``None`` where there is none."""

    currency: str | None
    places: Sequence[Any]
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """A row per cohort. ``rows``: name, size (empty where the chart names none), and a cell per column: its text and its
    share of the row's largest value, ``None`` where there is none."""

    currency: str | None
    columns: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[tuple[str, float] | None]]]


def panels(report: Report, result: Result) -> list[Panel]:
    """A panel per currency, or one if the report has no currency.

    Days, months and hours without rows are places too. Counts and amounts are 0 there; shares and durations have no value.
    Counts and amounts of one place and series are added.
    """
    return [_panel(report, currency, rows) for currency, rows in _by_currency(result).items()]


def cohorts(report: Report, result: Result) -> list[Cohorts]:
    """The cohorts of each currency."""
    return [_cohorts(report, currency, rows) for currency, rows in _by_currency(result).items()]


def _panel(report: Report, currency: str | None, rows: Sequence[Mapping[str, Any]]) -> Panel:
    chart = report.chart
    shown = [row for row in rows if chart.by is None or row[chart.by] not in chart.without]
    places = _without_gaps(list(dict.fromkeys(row[chart.x] for row in shown)), chart.x)
    at = {place: number for number, place in enumerate(places)}
    lines: dict[str, list[float | None]] = {}
    for row in shown:
        for column in chart.y:
            rate = words.is_rate(column)
            line = lines.setdefault(_series(report, row, column), [None if rate else 0.0] * len(places))
            value = float(row[column]) / words.divisor(column, report.money, currency)
            line[at[row[chart.x]]] = value if rate else (line[at[row[chart.x]]] or 0.0) + value
    return Panel(currency, places, {name: lines[name] for name in in_order(list(lines))})


def _cohorts(report: Report, currency: str | None, rows: Sequence[Mapping[str, Any]]) -> Cohorts:
    chart = report.chart
    assert chart.by is not None, "the header of a heat chart names its rows"
    column = chart.y[0]
    places = sorted({row[chart.x] for row in rows})
    values: dict[Any, dict[Any, float]] = {}
    sizes: dict[Any, int] = {}
    for row in rows:
        values.setdefault(row[chart.by], {})[row[chart.x]] = row[column] / words.divisor(column, report.money, currency)
        if chart.size is not None:
            sizes[row[chart.by]] = max(row[chart.size], sizes.get(row[chart.by], 0))
    found = []
    for cohort, cells in values.items():
        largest = max(cells.values()) or 1
        texts = [(words.grouped(round(cells[p])), cells[p] / largest) if p in cells else None for p in places]
        found.append((words.label(cohort, chart.by), words.grouped(sizes[cohort]) if cohort in sizes else "", texts))
    return Cohorts(currency, [words.label(place, chart.x) for place in places], found)


def _by_currency(result: Result) -> dict[str | None, list[Mapping[str, Any]]]:
    found: dict[str | None, list[Mapping[str, Any]]] = {}
    for values in result.rows:
        row = dict(zip(result.columns, values, strict=True))
        found.setdefault(row.get("currency"), []).append(row)
    return found


def _series(report: Report, row: Mapping[str, Any], column: str) -> str:
    if report.chart.by is None:
        return column
    by = str(row[report.chart.by])
    return f"{by} {column}" if len(report.chart.y) > 1 else by


def _without_gaps(places: list[Any], column: str) -> list[Any]:
    """Every day, month or hour from the first place to the last."""
    if not places or not isinstance(places[0], date):
        return places
    first, last = min(places), max(places)
    if column in words.MONTHS:
        count = (last.year - first.year) * 12 + last.month - first.month + 1
        months = [first.year * 12 + first.month - 1 + n for n in range(min(count, PLACES_MAX))]
        every: list[Any] = [date(month // 12, month % 12 + 1, 1) for month in months]
    else:
        step = timedelta(hours=1) if isinstance(first, datetime) else timedelta(days=1)
        every = [first + n * step for n in range(min((last - first) // step + 1, PLACES_MAX))]
    return every if set(places) <= set(every) else sorted(places)
