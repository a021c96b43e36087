"""The command ``billing report``."""

import asyncio
import io
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from runtime.settings import Settings

if TYPE_CHECKING:
    from analytics.report import Report, Result


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PNG = "png"


def report(
    name: Annotated[str | None, typer.Argument(help="Which one; --list shows them.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; may be given several times.")] = None,
    format: Annotated[Format, typer.Option(help="How the answer is given.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="Write to a file instead.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Names, questions and parameters.")] = False,
) -> None:
    """Answer a question from ClickHouse. Amounts are minor units of their currency. Exit 2: a part is away."""
    from analytics.report import ReportError, bind, find_report, read_reports
    from cli.output import explained
    from deploy.local.connect import settings_of_running_stack

    if list_all or name is None:
        _show_all(list(read_reports().values()))
        return
    try:
        found = find_report(name)
        values = bind(found, _pairs(param or []), datetime.now(UTC).date())
    except ReportError as error:
        raise typer.BadParameter(str(error)) from error
    if format is Format.PNG and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a picture needs --output FILE")
    with explained():
        result = asyncio.run(ask(settings_of_running_stack(), found, values))
    if format is Format.TABLE and output is None:
        _show(Console(), found, result)
    elif output is None:
        sys.stdout.buffer.write(encoded(found, result, format))
    else:
        output.write_bytes(encoded(found, result, format))


async def ask(settings: Settings, report: "Report", values: dict[str, Any]) -> "Result":
    """Run it on the ClickHouse of ``settings``."""
    from analytics.clickhouse import connect
    from analytics.report import run

    client = await connect(settings.clickhouse_url)
    try:
        return await run(client, report, values)
    finally:
        await client.close()


def encoded(report: "Report", result: "Result", format: Format) -> bytes:
    """The answer as a file."""
    from analytics.answer import as_csv, as_json

    match format:
        case Format.PNG:
            from analytics.picture import png

            return png(report, result)
        case Format.JSON:
            return as_json(result)
        case Format.CSV:
            return as_csv(result)
        case Format.TABLE:
            page = Console(file=io.StringIO(), width=160, record=True)
            _show(page, report, result)
            return page.export_text().encode()


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"--param wants NAME=VALUE, not {', '.join(wrong)}")
    return {name: value for name, _, value in pairs}


def _show(console: Console, report: "Report", result: "Result") -> None:
    from analytics.answer import text

    table = Table(title=report.question, title_justify="left")
    numbers = {column for column, value in zip(result.columns, result.rows[0] if result.rows else (), strict=False)
               if isinstance(value, int | float)}  # fmt: skip
    for column in result.columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in result.rows:
        table.add_row(*map(text, row))
    console.print(table)
    if not result.rows:
        console.print("no rows")


def _show_all(reports: list["Report"]) -> None:
    table = Table(title=f"{len(reports)} reports", title_justify="left")
    for column in ("name", "question", "parameters (default)"):
        table.add_column(column, overflow="fold")
    for report in reports:
        parameters = ", ".join(f"{p.name} ({p.default or 'all'})" for p in report.parameters)
        table.add_row(report.name, report.question, parameters)
    Console().print(table)
