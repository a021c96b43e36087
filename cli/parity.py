"""``billing parity``."""

from datetime import datetime
from typing import Annotated, Final

import typer
from rich.table import Table

from backoffice.parity.check import ParityReport, check
from cli.arguments import AsJson
from cli.output import on_running_stack, out, write_json

#: Differences shown; the JSON has all.
SHOWN_MAX: Final = 50


def parity(
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="One day (UTC); otherwise all.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Send what is missing or different again.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for rows in flight.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Compare counts and sums per day, provider, currency and state between Postgres and ClickHouse.

    Exit 1 if they (still) differ, 2 if a service is unavailable.
    """
    on = None if day is None else day.date()
    report = on_running_stack(lambda settings: check(settings, on, wait, repair=repair))
    if as_json:
        write_json(report)
    else:
        _show(report)
    if report.remaining:
        raise typer.Exit(1)


def _show(report: ParityReport) -> None:
    out.print(
        f"{report.groups} groups of payments, operations, ledger entries, subscriptions, periods, attempts, discrepancies and"
        " clearing compared"
    )
    if not report.differences:
        out.print("[green]ClickHouse equals Postgres[/]")
        return
    title = f"{len(report.differences)} groups differ (count, sums, of payments a checksum of their metadata)"
    table = Table(title=title, title_justify="left")
    for column in ("kind", "day", "provider", "currency", "state", "postgres", "clickhouse"):
        table.add_column(column, overflow="fold")
    for found in report.differences[:SHOWN_MAX]:
        sides = (" ".join(map(str, side)) for side in (found.postgres, found.clickhouse))
        table.add_row(found.kind, str(found.day), found.provider, found.currency, found.state, *sides)
    out.print(table)
    if report.extra_rows:
        out.print(f"{len(report.extra_rows)} ClickHouse rows are missing in Postgres; resending cannot repair them")
    if report.payments_sent:
        out.print(f"{report.payments_sent} payments sent again, {len(report.remaining)} groups still differ")
    if report.subscriptions_sent:
        out.print(f"{report.subscriptions_sent} subscriptions sent again, {len(report.remaining)} groups still differ")
    if report.clearing_sent:
        out.print(
            f"{report.clearing_sent} subjects of clearing sent again, {len(report.remaining)} groups still differ"
        )
