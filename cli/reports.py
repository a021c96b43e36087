"""The command ``billing report``."""

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from analytics.answer import as_csv, as_json, text
from analytics.report import Report, ReportError, Result, bind, find_report, read_reports
from backoffice.reports import run_report
from billing.money import Money
from cli.output import Output, on_running_stack, out
from runtime.clock import utc_now


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PNG = "png"


def report(
    name: Annotated[str | None, typer.Argument(help="The report; --list shows them.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeat it for several.")] = None,
    format: Annotated[Format, typer.Option(help="Format of the result.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="Write to a file instead.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Names, questions and parameters.")] = False,
) -> None:
    """Run a report on ClickHouse. A table shows money in major units with its currency; CSV and JSON, for programs, have
    minor units. Exit 2: ClickHouse is unavailable."""
    if list_all or name is None:
        _show_all(list(read_reports().values()))
        return
    try:
        found = find_report(name)
        values = bind(found, _pairs(param or []), utc_now().date())
    except ReportError as error:
        raise typer.BadParameter(str(error)) from error
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent}: no such folder", param_hint="--output")
    if format is Format.PNG and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a PNG needs --output FILE")
    result = on_running_stack(lambda settings: run_report(settings, found, values))
    if format is Format.TABLE and output is None:
        _show(out, found, result)
    elif output is None:
        sys.stdout.buffer.write(encoded(found, result, format))
    else:
        output.write_bytes(encoded(found, result, format))


def encoded(report: Report, result: Result, format: Format) -> bytes:
    """The result as a file."""
    match format:
        case Format.PNG:
            from analytics.picture import png

            return png(report, result)
        case Format.JSON:
            return as_json(result)
        case Format.CSV:
            return as_csv(result)
        case Format.TABLE:
            page = io.StringIO()
            _show(Output(file=page), report, result)
            return page.getvalue().encode()


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"--param takes NAME=VALUE, not {', '.join(wrong)}")
    return {name: value for name, _, value in pairs}


def _show(console: Console, report: Report, result: Result) -> None:
    table = Table(title=report.question, title_justify="left")
    numbers = {column for column, value in zip(result.columns, result.rows[0] if result.rows else (), strict=False)
               if isinstance(value, int | float)}  # fmt: skip
    for column in result.columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    at = result.columns.index("currency") if "currency" in result.columns else None
    for row in result.rows:
        currency = None if at is None else row[at]
        cells = zip(result.columns, row, strict=True)
        table.add_row(*(_cell(column, value, report.money, currency) for column, value in cells))
    console.print(table)
    for column, meaning in report.meanings.items():
        console.print(f"{column}: {meaning}")
    if not result.rows:
        console.print("no rows")


def _cell(column: str, value: Any, money: tuple[str, ...], currency: str | None) -> str:
    """Money in major units with its currency, all else as it is."""
    if column in money and isinstance(value, int) and currency is not None:
        return str(Money(value, currency))
    return text(value)


def _show_all(reports: list[Report]) -> None:
    table = Table(title=f"{len(reports)} reports", title_justify="left")
    for column in ("name", "question", "parameters (default)"):
        table.add_column(column, overflow="fold")
    for report in reports:
        parameters = ", ".join(f"{p.name} ({p.default or 'all'})" for p in report.parameters)
        table.add_row(report.name, report.question, parameters)
    out.print(table)
