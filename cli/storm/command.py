"""``billing storm``."""

import subprocess
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from billing.money import Money
from cli.demo.play import running_stack
from cli.demo.shop import CURRENCY
from cli.output import REFUSED, err, on_running_stack, out, write_json
from cli.storm.run import all_agree
from cli.storm.run import storm as play


def storm(
    payments: Annotated[int, typer.Option(min=1, max=100_000, help="Customers to serve.")] = 2000,
    rate: Annotated[float, typer.Option(min=0, max=0.5, help="Probability of each fault.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the carts and the faults.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Sell and refund while all providers fail at random, then audit.

    Providers time out, fail, lose callbacks and repeat them. Ends when every payment is final and compares the
    providers' own record with our ledger. Exit 1 if they differ, or if the audit finds anything.
    """
    console = err if as_json else out
    try:
        status = running_stack(quiet=as_json)
    except subprocess.CalledProcessError as error:
        console.print("[red]The stack did not come up[/]: see above, and `billing status`.")
        raise typer.Exit(REFUSED) from error
    with console.status("storm") as progress:
        figures = on_running_stack(lambda settings: play(settings, status, payments, rate, seed, progress.update))
    _show(console, figures)
    if as_json:
        write_json(figures)
    if not all_agree(figures):
        raise typer.Exit(REFUSED)


def _show(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="After the storm", title_justify="left")
    for column in ("provider", "orders", "captured", "in the ledger", "refunded", "in the ledger"):
        table.add_column(column, justify="left" if column == "provider" else "right")
    for one in figures["providers"]:
        sums = (one["taken"], one["ledger_taken"], one["returned"], one["ledger_returned"])
        table.add_row(one["provider"], str(one["orders"]), *(str(Money(amount, CURRENCY)) for amount in sums))
    console.print(table)
    statuses = ", ".join(f"{count} {status.lower()}" for status, count in figures["statuses"].items())
    console.print(
        f"{figures['accepted']} of {figures['payments']} accepted: {statuses}; {figures['refunds']} refunds; "
        f"{figures['asked_again']} extra status inquiries; {figures['unfinished']} operations not final; "
        f"{figures['seconds']} s"
    )
    for violation in figures["violations"][:20]:
        console.print(f"{violation['kind']} {violation['id']}: {violation['detail']}", style="red", markup=False)
    if not figures["violations"]:
        console.print("the audit found no violation", style="green")
