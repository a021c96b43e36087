"""The demo's output: live figures, a summary, and links."""

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from cli.demo.evidence import Report
from cli.demo.shop import Shop
from cli.demo.visitor import VISITOR


def live(report: Report | None, shop: Shop | None, customers: int) -> Table:
    """Interim figures."""
    table = Table.grid(padding=(0, 2))
    if report is None or shop is None:
        table.add_row("[dim]opening the shop…[/]")
        return table
    for name, value, where in (
        ("accepted", report.accepted, "Postgres"),
        ("at checkout", shop.visited, "customers who opened the payment page"),
        ("captured", report.captured, "Postgres"),
        ("declined", report.declined, "Postgres"),
        ("abandoned", report.abandoned, "sandbox"),
        ("access granted", report.signals_auth, "RabbitMQ"),
        ("customers notified", report.signals_notify, "RabbitMQ"),
        ("operations", report.clickhouse_operations, "ClickHouse"),
    ):
        bar = "█" * round(30 * min(value, customers) / max(customers, 1))
        table.add_row(name, f"[bold]{value}[/]", f"[cyan]{bar}[/]", f"[dim]{where}[/]")
    return table


def summary(console: Console, report: Report, seconds: float, status: dict[str, Any]) -> None:
    """Final figures, and whether they agree."""
    table = Table(title="Outcome", title_justify="left")
    table.add_column("")
    table.add_column("payments", justify="right")
    table.add_column("counted in", style="dim")
    rows = (
        ("accepted", report.accepted, "Postgres"),
        ("captured", report.captured, "Postgres"),
        ("declined", report.declined, "Postgres"),
        ("abandoned by the customer", report.abandoned, "the sandbox"),
        ("still pending", report.pending, "Postgres"),
        ("auth signals", report.signals_auth, "RabbitMQ"),
        ("notify signals", report.signals_notify, "RabbitMQ"),
        ("operations", report.clickhouse_operations, "ClickHouse"),
    )
    for name, value, where in rows:
        table.add_row(name, str(value), where)
    table.add_section()
    table.add_row("[bold]lost[/]", colored(report.lost), "all services compared")
    table.add_row("[bold]duplicates[/]", colored(report.duplicates), "all services compared")
    console.print(table)
    for problem in report.problems[:20]:
        console.print(f"[red]✗[/] {problem}")
    console.print(
        f"{seconds:.1f} s, {report.captured / seconds:.0f} paid payments per second (limited by the customers)"
    )
    if status["embedded"]["kafka"] == "tansu":
        console.print(
            Panel(
                "Kafka is the Tansu stand-in: it keeps messages in memory only, so this run does not test durability.\n"
                "Install Java 17 and Maven, then `billing down` and `billing up`, for Apache Kafka.",
                style="bold yellow",
            )
        )


def where_to_look(console: Console, status: dict[str, Any], invitation: str) -> None:
    """Where the results can be read. ``invitation``: the link for a viewer of the pages."""
    urls = status["urls"]
    console.print("\n[bold]Where to look[/]")
    console.print(f"  API          {urls['ingest']}/docs")
    if urls["admin"] is not None:
        console.print(f"  pages        {invitation}", soft_wrap=True)
        console.print(
            f"               (reports and more: choose a password. The link works once, within an hour, for {VISITOR}, a viewer."
            f"\n               `billing staff role {VISITOR} admin --reason 'to try it'` lets you do more)",
            soft_wrap=True,
        )
    console.print(f"  sandbox      {urls['sandbox']}/ (the provider's view: orders, manual payment)")
    sql = "SELECT type, status, count(), sum(amount) / 100 AS roubles FROM operations GROUP BY type, status"
    console.print(
        f"  ClickHouse   curl '{_curl(urls['clickhouse'])}' --data-binary \"{sql} FORMAT Pretty\"", soft_wrap=True
    )
    console.print(f"  Postgres     psql {urls['postgres']}", soft_wrap=True)
    console.print("  processes    billing status · logs: billing logs NAME · stop: billing down")


def _curl(url: str) -> str:
    """ClickHouse's HTTP interface takes the database as a parameter, not as a path."""
    server, _, database = url.rpartition("/")
    return f"{server}/?database={database}"


def colored(count: int) -> str:
    """A count that should be 0."""
    return f"[green]{count}[/]" if count == 0 else f"[bold red]{count}[/]"
