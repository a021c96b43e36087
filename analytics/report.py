"""Named reports: one SQL file each under ``reports/``, whose header defines its question, parameters and chart.

The header is made of comments: ``question:``, any number of ``param NAME TYPE DEFAULT: meaning``, any number of
``column NAME: meaning`` for names that do not explain themselves, one ``chart: bar|line|stack|heat x=… y=…[,…] [by=…]
[without=…[,…]] [size=…]``, at most one ``money: COLUMN[,…]`` and ``example:``, which begins with the names of all columns.
The default of a ``Date`` is a date, ``today``, or a number of days before it (``-29d``). Columns of money are minor units of
the row's currency.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from typing import Any, Final, Literal

from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.of_client import is_of_clients, of_client

_PARAM: Final = re.compile(r"(\w+) (Date|String|UInt32) (\S+): (.+)")
_COLUMN: Final = re.compile(r"column (\w+): (.+)")
_CHART: Final = re.compile(
    r"(?P<kind>bar|line|stack|heat) x=(?P<x>\w+) y=(?P<y>[\w,]+)(?: by=(?P<by>\w+))?(?: without=(?P<without>[\w,]+))?"
    r"(?: size=(?P<size>\w+))?"
)
_DAYS: Final = re.compile(r"-(\d{1,5})d")
#: All versions of a row are in one partition (ADR 0010). A query takes at most 15 s and returns at most 100,000 rows, more
#: than a page can show.
QUERY_SETTINGS: Final = {
    "do_not_merge_across_partitions_select_final": 1,
    "max_execution_time": 15,
    "limit": 100_000,
}
_UINT32: Final = re.compile(r"\d{1,9}")


class ReportError(Exception):
    """The report does not exist, or a parameter does not exist or has the wrong type."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a report. ``type``: ClickHouse's; ``default``: its text in the file."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a report: the column of the x axis, the columns of the y axis, one series per value of column ``by``.

    Each currency has a chart of its own. ``stack`` puts the series on top of each other. ``heat`` has a row per value of
    ``by``, a column per value of ``x``, and colours a cell by its share of the row's largest. ``without``: values of ``by``
    that are only in the table; ``size``: the column that says how large a row of ``heat`` is.
    """

    kind: Literal["bar", "line", "stack", "heat"]
    x: str
    y: tuple[str, ...]
    by: str | None = None
    without: tuple[str, ...] = ()
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``money``: the columns that are minor units of the column ``currency``; ``meanings``: column → what it
    is, where its name does not say; ``example``: a result, as text."""

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    chart: Chart
    money: tuple[str, ...]
    example: str
    sql: str
    meanings: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of every result."""
        return tuple(self.example.partition("\n")[0].split())


@dataclass(frozen=True, slots=True)
class Result:
    """A report's result."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def read_reports(*, of_client: bool = False) -> dict[str, Report]:
    """Every report by its name, in alphabetical order; ``of_client``: those that one API client may have."""
    files = (resources.files("analytics") / "reports").iterdir()
    found = (file for file in files if file.name.endswith(".sql"))
    reports = [parse(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in found]
    chosen = [report for report in reports if not of_client or is_of_clients(report.sql)]
    return {report.name: report for report in sorted(chosen, key=lambda report: report.name)}


def find_report(name: str) -> Report:
    """The report with this name; :class:`ReportError` for an unknown one."""
    reports = read_reports()
    if name not in reports:
        raise ReportError(f"there is no report {name!r}; there are {', '.join(reports)}")
    return reports[name]


def parse(name: str, text: str) -> Report:
    """A report from the text of its file; :class:`ValueError` for an invalid header."""
    lines = text.splitlines()
    header = [line.removeprefix("--").removeprefix(" ") for line in lines if line.startswith("--")]
    example_at = header.index("example:")
    meanings = {m[1]: m[2] for line in header if (m := _COLUMN.fullmatch(line)) is not None}
    fields = [line.partition(": ") for line in header[:example_at] if not line.startswith(("param ", "column "))]
    header_fields = {name: value for name, _, value in fields}
    parameters = [_PARAM.fullmatch(line.removeprefix("param ")) for line in header if line.startswith("param ")]
    chart = _CHART.fullmatch(header_fields.get("chart", ""))
    if header_fields.keys() - {"money"} != {"question", "chart"} or chart is None or not all(parameters):
        raise ValueError(f"the header of report {name} is not understood")
    return Report(
        name,
        header_fields["question"],
        tuple(Parameter(p[1], p[2], p[3].strip('"'), p[4]) for p in parameters if p is not None),
        _chart(chart),
        tuple(filter(None, header_fields.get("money", "").split(","))),
        "\n".join(line.removeprefix("  ") for line in header[example_at + 1 :]),
        "\n".join(line for line in lines if not line.startswith("--")),
        meanings,
    )


def _chart(header: re.Match[str]) -> Chart:
    kind: Any = header["kind"]  # one of the words of the pattern
    without = tuple(filter(None, (header["without"] or "").split(",")))
    return Chart(kind, header["x"], tuple(header["y"].split(",")), header["by"], without, header["size"])


def bind(report: Report, given: Mapping[str, str], today: date) -> dict[str, Any]:
    """Values for all parameters; relative defaults count from ``today`` (UTC). Raises :class:`ReportError`."""
    unknown = given.keys() - {parameter.name for parameter in report.parameters}
    if unknown:
        names = ", ".join(parameter.name for parameter in report.parameters)
        raise ReportError(f"{report.name} has no parameter {', '.join(sorted(unknown))}; it has {names}")
    return {p.name: _value(p, given.get(p.name, p.default), today) for p in report.parameters}


async def run(client: AsyncClient, report: Report, values: Mapping[str, Any], *, of: str | None = None) -> Result:
    """Run the query. ``values`` come from :func:`bind`; times in the result are aware, in UTC.

    ``of``: only the payments of this API client. Raises :class:`ReportError` for a report that is of no client.
    """
    sql, parameters = report.sql, dict(values)
    if of is not None:
        if not is_of_clients(sql):
            raise ReportError(f"{report.name} is about the service as a whole, not about one API client")
        assert client.database is not None, "analytics.clickhouse.connect() always names one"
        sql, parameters = of_client(sql, client.database), {**parameters, "client": of}
    answer = await client.query(
        sql, parameters=parameters, settings=dict(QUERY_SETTINGS), tz_mode="aware", query_tz="UTC"
    )
    # The client of ClickHouse knows no columns where there are no rows.
    return Result(tuple(answer.column_names) or report.columns, answer.result_rows)


def _value(parameter: Parameter, text: str, today: date) -> Any:
    error = ReportError(f"{parameter.name}={text!r} is not a {parameter.type}")
    match parameter.type:
        case "Date":
            days = _DAYS.fullmatch(text)
            try:
                if days is not None:
                    return today - timedelta(days=int(days[1]))
                return today if text == "today" else date.fromisoformat(text)
            except (ValueError, OverflowError) as cause:
                raise error from cause
        case "UInt32":
            if _UINT32.fullmatch(text) is None:
                raise error
            return int(text)
        case _:
            return text
