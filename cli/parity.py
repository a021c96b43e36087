"""The command ``billing parity``."""

import asyncio
import json
import sys
from datetime import date, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

#: Differences shown; the JSON has all.
SHOWN_MAX: Final = 50


def parity(
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One day (UTC); else all.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Send again what is missing or otherwise.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds for what is under way to arrive.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Compare counts and sums per day, provider, currency and state between Postgres and ClickHouse.

    Exit 1 where they (still) differ, 2 where a part is away.
    """
    from backoffice.parity.check import check
    from cli.output import explained
    from deploy.local.connect import settings_of_running_stack

    on: date | None = None if day is None else day.date()
    with explained():
        report = asyncio.run(check(settings_of_running_stack(), on, wait, repair=repair))
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _show(Console(), report)
    if report["remaining"]:
        raise typer.Exit(1)


def _show(console: Console, report: dict[str, Any]) -> None:
    console.print(f"{report['groups']} groups of payments, operations and ledger entries compared")
    if not report["differences"]:
        console.print("[green]analytics equal the books[/]")
        return
    table = Table(title=f"{len(report['differences'])} groups differ (count, sums)", title_justify="left")
    columns = ("kind", "day", "provider", "currency", "state", "postgres", "clickhouse")
    for column in columns:
        table.add_column(column, overflow="fold")
    for difference in report["differences"][:SHOWN_MAX]:
        table.add_row(*(" ".join(map(str, v)) if isinstance(v := difference[c], tuple) else str(v) for c in columns))
    console.print(table)
    if report["extra_rows"]:
        console.print(
            f"{len(report['extra_rows'])} rows in ClickHouse that the books do not have: sending mends no such"
        )
    if report["payments_sent"]:
        console.print(f"{report['payments_sent']} payments sent again, {len(report['remaining'])} groups still differ")
