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
    limit: Annotated[int | None, typer.Option(min=1, help="Only this many payments and subscriptions, by id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild every payment and subscription from its journal and compare it with the stored one. Exit 1 on any difference."""
    if not check:
        raise typer.BadParameter("only --check is offered: only the agents write payments and subscriptions")
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
        out.print(f"[yellow]{report.other_rules} are not checked: another release's rules decided them[/]")
    if not report.different:
        out.print(f"[green]{report.checked} payments and subscriptions equal their journals[/]")
        return
    title = f"{report.different} of {report.checked} payments and subscriptions differ"
    table = Table(title=title, title_justify="left")
    for column in ("", "id", "field", "stored", "rebuilt from the journal"):
        table.add_column(column, overflow="fold")
    listed = [("payment", p) for p in report.payments] + [("subscription", s) for s in report.subscriptions]
    for noun, found in listed:
        for row in found.differences:
            sides = (msgspec.json.encode(side).decode() for side in (row.stored, row.rebuilt))
            table.add_row(noun, str(found.id), row.field, *sides)
    out.print(table)
    if report.different > len(listed):
        out.print(f"the first {len(listed)} are listed")
