"""The output of the subscribers' year."""

from typing import Final

from rich.console import Console
from rich.table import Table

from billing.money import Money
from cli.demo.shop import CURRENCY
from cli.demo.view import colored
from cli.demo.year_evidence import YearReport

_MOVEMENTS: Final = {
    "opening": "MRR after the first day",
    "NEW": "joined later",
    "HELD": "put on hold",
    "RECOVERED": "paid after the hold",
    "CHURN_VOLUNTARY": "cancelled",
    "CHURN_INVOLUNTARY": "without a method",
    "closing": "MRR at the end of the year",
}


def summary(console: Console, report: YearReport, seconds: float) -> None:
    """Final figures, and whether they agree."""
    table = Table(title="The year", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("counted in", style="dim")
    for name, value, where in (
        ("subscribers", report.subscribers, "Postgres"),
        ("renewals", report.renewals, "Postgres"),
        ("recovered after a decline", report.recovered, "Postgres"),
        ("lost: the card died", report.lost, "Postgres"),
        ("cancelled", report.cancelled, "Postgres"),
        ("ended: the method was removed", report.method_removed, "Postgres"),
        ("active at the end", report.active, "Postgres"),
        ("charged", Money(report.charged, CURRENCY), "the sandbox"),
        ("receipts of renewals", report.receipts, "RabbitMQ"),
        ("periods sold", report.periods, "ClickHouse"),
    ):
        table.add_row(name, str(value), where)
    table.add_section()
    for movement, name in _MOVEMENTS.items():
        if movement in report.mrr:
            table.add_row(name, str(Money(report.mrr[movement], CURRENCY)), "ClickHouse")
    table.add_section()
    table.add_row("[bold]disagreements[/]", colored(len(report.problems)), "all services compared")
    console.print(table)
    for problem in report.problems[:20]:
        console.print(f"[red]✗[/] {problem}")
    console.print(f"{seconds:.1f} s")
