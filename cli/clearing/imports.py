"""``billing clearing import``: a register that somebody has as a file."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice.clearing import imports
from billing.money import Money
from cli.arguments import Actor, AsJson, operator
from cli.clearing.accounts import load_accounts
from cli.output import REFUSED, exit_on_unavailable, on_running_stack, out, write_json
from deploy.local.connect import NoRunningStack, environment_of_running_stack
from providers.registers import Explanation


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    provider: Annotated[str, typer.Option(help="Whose register it is.")],
    date: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="The business day that it is of.")
    ] = None,
    map: Annotated[
        str | None,
        typer.Option(help="What its columns mean: a file (TOML), or a map of ours; by default the provider's."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; stays on record.")] = "the register came as a file",
    explain: Annotated[bool, typer.Option("--explain", help="Show what each column became, import nothing.")] = False,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Import a register: check that it is whole and has the map's columns, and stage it. The next run of the day takes it
    over. It is whole by its row of totals, by FILE.sha256, or if nobody has written to it for five minutes. Exit 1: it is
    not, has other columns, or is of another day."""
    if explain:
        with suppress(NoRunningStack):
            os.environ |= environment_of_running_stack()
        with exit_on_unavailable():
            found = imports.explain_register(file, provider, map)
        _explain(found, as_json=as_json)
        if found.missing or any(row.reason for row in found.rows):
            raise typer.Exit(REFUSED)
        return
    if date is None:
        raise typer.BadParameter("which business day is it of?", param_hint="--date")
    who, day = operator(actor, reason), date.date()
    load_accounts()
    checked = on_running_stack(lambda settings: imports.import_register(settings, who, file, provider, day, map))
    if as_json:
        write_json(checked)
        return
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in checked.lines.items()) or "no lines"
    sums = ", ".join(str(Money(amount, currency)) for currency, amount in checked.sums.items())
    out.print(f"{provider} {day}: {kinds}{'; ' if sums else ''}{sums}", highlight=False)
    if checked.elsewhere:
        out.print(f"{checked.elsewhere:,} lines are of other business days", highlight=False)
    out.print(
        f"the scheduler takes it over; now: `billing clearing run --date {day} --provider {provider}`", soft_wrap=True
    )


def _explain(found: Explanation, *, as_json: bool) -> None:
    if as_json:
        write_json(found)
        return
    out.print(f"{found.encoding}, columns apart by {found.delimiter!r}", highlight=False)
    table = Table(title="Columns", title_justify="left")
    for heading in ("column", "is", *(f"row {number}" for number, _ in enumerate(found.rows, 1))):
        table.add_column(heading, overflow="fold")
    for header, fields in found.columns.items():
        shown = (escape(row.cells.get(header, "")) for row in found.rows)
        table.add_row(escape(header), ", ".join(fields) or "[yellow]not read[/]", *shown)
    out.print(table)
    for what, names in (("missing", found.missing), ("types that the map does not have", found.types)):
        if names:
            out.print(f"[red]{what}[/]: {escape(', '.join(names))}", soft_wrap=True)
    for number, row in enumerate(found.rows, 1):
        if row.line is not None:
            line = row.line
            out.print(f"row {number}: {line.kind} of {Money(line.amount, line.currency)} at {line.at}", highlight=False)
        elif row.reason is not None:
            out.print(f"[red]row {number}[/]: {escape(row.reason)}", soft_wrap=True)
