"""``billing rebuild --check``."""

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from backoffice import rebuild as rebuilding
from backoffice.rebuild import RebuildReport
from cli.arguments import AsJson
from cli.output import on_running_stack, out, progress_bar, write_json


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Compare, and change nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only this many payments, by id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild every payment from its journal and compare it with the stored one. Exit 1 on any difference."""
    if not check:
        raise typer.BadParameter("only --check is offered: only the payments agent writes payments")
    with progress_bar("rebuild") as progress:
        report = on_running_stack(lambda settings: rebuilding.check(settings, limit, progress))
    if as_json:
        write_json(report)
    else:
        _show(report)
    if report.different:
        raise typer.Exit(1)


def _show(report: RebuildReport) -> None:
    if report.other_rules:
        out.print(f"[yellow]{report.other_rules} payments are not checked: another release's rules decided them[/]")
    if not report.different:
        out.print(f"[green]{report.checked} payments equal their journals[/]")
        return
    table = Table(title=f"{report.different} of {report.checked} payments differ", title_justify="left")
    for column in ("payment", "field", "stored", "rebuilt from the journal"):
        table.add_column(column, overflow="fold")
    for payment in report.payments:
        for row in payment.differences:
            sides = (msgspec.json.encode(side).decode() for side in (row.stored, row.rebuilt))
            table.add_row(str(payment.id), row.field, *sides)
    out.print(table)
    if report.different > len(report.payments):
        out.print(f"the first {len(report.payments)} are listed")
