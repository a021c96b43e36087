"""Named reports: one SQL file each under ``reports/``, whose header says what it answers and what it takes.

The header is made of comments: ``question:``, any number of ``param NAME TYPE DEFAULT: meaning``, at most one
``chart: bar|line x=… y=…[,…] [by=…]``, at most one ``money: COLUMN[,…]`` and ``example:``. A default of a ``Date`` is ``today`` or so many days
before it (``-29d``). Columns of money are minor units of the row's currency.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from typing import Any, Final, Literal

from clickhouse_connect.driver.asyncclient import AsyncClient

_PARAM: Final = re.compile(r"(\w+) (Date|String|UInt32) (\S+): (.+)")
_CHART: Final = re.compile(r"(bar|line) x=(\w+) y=([\w,]+)(?: by=(\w+))?")
_DAYS: Final = re.compile(r"-(\d{1,5})d")
#: Versions of a row never lie in different partitions (ADR 0010). Nobody waits longer than 15 s, or gets more rows
#: than a person or a page can take.
QUERY_SETTINGS: Final = {
    "do_not_merge_across_partitions_select_final": 1,
    "max_execution_time": 15,
    "limit": 100_000,
}
_UINT32: Final = re.compile(r"\d{1,9}")


class ReportError(Exception):
    """The report is not known, or a parameter is not one of it or not of its type."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a report may be given. ``type`` is ClickHouse's; ``default`` as it stands in the file."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Chart:
    """How a report is drawn: a column along, columns up, one series per value of the column ``by``."""

    kind: Literal["bar", "line"]
    x: str
    y: tuple[str, ...]
    by: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``money``: the columns that are minor units of the column ``currency``; ``example``: a result, for
    people."""

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    chart: Chart
    money: tuple[str, ...]
    example: str
    sql: str


@dataclass(frozen=True, slots=True)
class Result:
    """A report's answer."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def read_reports() -> dict[str, Report]:
    """Every report by its name, in alphabetical order."""
    files = (resources.files("analytics") / "reports").iterdir()
    found = (file for file in files if file.name.endswith(".sql"))
    reports = [parse(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in found]
    return {report.name: report for report in sorted(reports, key=lambda report: report.name)}


def find_report(name: str) -> Report:
    """Raises :class:`ReportError` for a name that is none."""
    reports = read_reports()
    if name not in reports:
        raise ReportError(f"there is no report {name!r}; there are {', '.join(reports)}")
    return reports[name]


def parse(name: str, text: str) -> Report:
    """A report from its file; :class:`ValueError` for a header that is not one."""
    lines = text.splitlines()
    header = [line.removeprefix("--").removeprefix(" ") for line in lines if line.startswith("--")]
    example_at = header.index("example:")
    fields = [line.partition(": ") for line in header[:example_at] if not line.startswith("param ")]
    said = {word: rest for word, _, rest in fields}
    parameters = [_PARAM.fullmatch(line.removeprefix("param ")) for line in header if line.startswith("param ")]
    chart = _CHART.fullmatch(said.get("chart", ""))
    if said.keys() - {"money"} != {"question", "chart"} or chart is None or not all(parameters):
        raise ValueError(f"the header of the report {name} is not understood")
    return Report(
        name,
        said["question"],
        tuple(Parameter(p[1], p[2], p[3].strip('"'), p[4]) for p in parameters if p is not None),
        Chart("bar" if chart[1] == "bar" else "line", chart[2], tuple(chart[3].split(",")), chart[4]),
        tuple(filter(None, said.get("money", "").split(","))),
        "\n".join(line.removeprefix("  ") for line in header[example_at + 1 :]),
        "\n".join(line for line in lines if not line.startswith("--")),
    )


def bind(report: Report, given: Mapping[str, str], today: date) -> dict[str, Any]:
    """Values for all parameters; ``today`` (UTC) is what defaults count from. Raises :class:`ReportError`."""
    unknown = given.keys() - {parameter.name for parameter in report.parameters}
    if unknown:
        names = ", ".join(parameter.name for parameter in report.parameters)
        raise ReportError(f"{report.name} has no parameter {', '.join(sorted(unknown))}; it has {names}")
    return {p.name: _value(p, given.get(p.name, p.default), today) for p in report.parameters}


async def run(client: AsyncClient, report: Report, values: Mapping[str, Any]) -> Result:
    """Ask ClickHouse. ``values`` come from :func:`bind`; times in the answer say that they are UTC."""
    answer = await client.query(
        report.sql, parameters=dict(values), settings=dict(QUERY_SETTINGS), tz_mode="aware", query_tz="UTC"
    )
    return Result(tuple(answer.column_names), answer.result_rows)


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
