"""``billing clearing report``: a day for finance, as a page, for spreadsheets, or as JSON."""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from backoffice.clearing import report
from backoffice.clearing.report import Report, as_csv, as_html
from cli.clearing.accounts import settlements
from cli.output import as_json, on_running_stack, out, write_json


class Format(StrEnum):
    """What the report is written as."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


def write_report(
    date: Annotated[datetime, typer.Argument(metavar="DATE", formats=["%Y-%m-%d"])],
    format: Annotated[Format, typer.Option(help="html: one page; csv: for spreadsheets.")] = Format.HTML,
    provider: Annotated[str | None, typer.Option(help="One provider; all of them where none is given.")] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--out", file_okay=False, help="Write files there, of csv one for each section; else to standard output."
        ),
    ] = None,
) -> None:
    """Write the report of a business day for finance: both sides, trial balance, discrepancies, fees, payouts, what is
    late, lost and stuck."""
    day = date.date()
    known = settlements()
    made = on_running_stack(lambda settings: report.build(settings, known, day, provider))
    if directory is None:
        match format:
            case Format.HTML:
                sys.stdout.buffer.write(as_html(made))
            case Format.CSV:
                sys.stdout.buffer.write(as_csv(made))
            case Format.JSON:
                write_json(made)
        return
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in _files(made, format).items():
        (directory / name).write_bytes(content)
        out.print(str(directory / name), soft_wrap=True)


def _files(made: Report, format: Format) -> dict[str, bytes]:
    name = f"clearing-{made.day}" + ("" if made.provider is None else f"-{made.provider}")
    match format:
        case Format.HTML:
            return {f"{name}.html": as_html(made)}
        case Format.CSV:
            return {f"{name}-{section.name}.csv": as_csv(made, section.name) for section in made.sections}
        case Format.JSON:
            return {f"{name}.json": as_json(made)}
