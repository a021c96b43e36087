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
from cli.storm import renewals as of_renewals
from cli.storm import run as of_payments


def storm(
    payments: Annotated[int, typer.Option(min=1, max=100_000, help="Customers to serve.")] = 2000,
    renewals: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, help="Renew this many subscriptions on test clocks, instead of selling payments."
        ),
    ] = None,
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
        if renewals is None:
            agree, show = of_payments.all_agree, _show_payments
            figures = on_running_stack(
                lambda settings: of_payments.storm(settings, status, payments, rate, seed, progress.update)
            )
        else:
            agree, show = of_renewals.all_agree, _show_renewals
            figures = on_running_stack(
                lambda settings: of_renewals.storm(settings, status, renewals, rate, seed, progress.update)
            )
    show(console, figures)
    _show_violations(console, figures)
    if as_json:
        write_json(figures)
    if not agree(figures):
        raise typer.Exit(REFUSED)


def _show_payments(console: Console, figures: dict[str, Any]) -> None:
    table = _table("provider", "orders", "captured", "in the ledger", "refunded", "in the ledger")
    for one in figures["providers"]:
        sums = (one["taken"], one["ledger_taken"], one["returned"], one["ledger_returned"])
        table.add_row(one["provider"], str(one["orders"]), *(str(Money(amount, CURRENCY)) for amount in sums))
    console.print(table)
    console.print(
        f"{figures['accepted']} of {figures['payments']} accepted: {_counted(figures['statuses'])}; "
        f"{figures['refunds']} refunds; {figures['asked_again']} extra status inquiries; "
        f"{figures['unfinished']} operations not final; {figures['seconds']} s"
    )


def _show_renewals(console: Console, figures: dict[str, Any]) -> None:
    names = ("orders", "captured", "ledger", "ClickHouse", "letters", "refunded", "ledger", "ClickHouse")
    table = _table("provider", *names)
    for one in figures["providers"]:
        sums = (one[name] for name in (*of_renewals.SAME_TAKEN, *of_renewals.SAME_RETURNED))
        table.add_row(one["provider"], str(one["orders"]), *(str(Money(amount, CURRENCY)) for amount in sums))
    console.print(table)
    console.print(
        f"{figures['charged']} of {figures['renewals']} charged, by {figures['charges']} charges: "
        f"{_counted(figures['subscriptions'])}; {figures['charged_twice']} periods charged twice; "
        f"{figures['access_mismatches']} access mismatches; {figures['asked_again']} extra status inquiries; "
        f"{figures['unfinished']} not final; {figures['settled_seconds']} s"
    )


def _table(first: str, *others: str) -> Table:
    table = Table(title="After the storm", title_justify="left")
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{count} {status.lower()}" for status, count in numbers.items())


def _show_violations(console: Console, figures: dict[str, Any]) -> None:
    for violation in figures["violations"][:20]:
        console.print(f"{violation['kind']} {violation['id']}: {violation['detail']}", style="red", markup=False)
    if not figures["violations"]:
        console.print("the audit found no violation", style="green")
