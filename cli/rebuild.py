"""``billing rebuild --check``: every payment rebuilt from its journal and compared with the stored one."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.output import on_running_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from storage.journal.replay import Difference

#: Payments that differ and are listed; all are counted.
LISTED_MAX: Final = 1000


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Compare, and change nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many payments, by id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Rebuild every payment from its journal and compare it with the stored one. Exit 1 on any difference."""
    if not check:
        raise typer.BadParameter("only --check is offered: payments are written by the payments agent alone")
    report = on_running_stack(lambda settings: _check(settings, limit))
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _show(Console(), report)
    if report["different"]:
        raise typer.Exit(1)


async def _check(settings: Settings, limit: int | None) -> dict[str, Any]:
    """``{"checked", "different", "payments": [{"id", "differences"}]}``."""
    from runtime.postgres import connected
    from storage.journal.replay import check_payments, count_payments

    report: dict[str, Any] = {"checked": 0, "different": 0, "payments": []}
    columns = (TextColumn("rebuild"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            total = await count_payments(connection)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("rebuild", total=total if limit is None else min(limit, total))
            async for batch in check_payments(engine, limit=limit):
                progress.advance(task, len(batch))
                report["checked"] += len(batch)
                for id, found in batch:
                    report["different"] += bool(found)
                    if found and len(report["payments"]) < LISTED_MAX:
                        report["payments"].append({"id": str(id), "differences": [_shown(d) for d in found]})
    return report


def _shown(difference: "Difference") -> dict[str, Any]:
    """Masked by the path as well: it names what the value is, as in ``order.contact.email``."""
    from runtime.logging.card_numbers import MASK
    from runtime.logging.redaction import redact

    hidden = redact({difference.field: ""})[difference.field] == MASK
    sides = {"stored": difference.stored, "rebuilt": difference.rebuilt}
    return {"field": difference.field} | {name: MASK if hidden else redact(value) for name, value in sides.items()}


def _show(console: Console, report: dict[str, Any]) -> None:
    from rich.table import Table

    if not report["different"]:
        console.print(f"[green]{report['checked']} payments are what their journals make them[/]")
        return
    table = Table(title=f"{report['different']} of {report['checked']} payments differ", title_justify="left")
    for column in ("payment", "field", "stored", "rebuilt from the journal"):
        table.add_column(column, overflow="fold")
    for payment in report["payments"]:
        for row in payment["differences"]:
            table.add_row(payment["id"], row["field"], json.dumps(row["stored"]), json.dumps(row["rebuilt"]))
    console.print(table)
    if report["different"] > len(report["payments"]):
        console.print(f"the first {len(report['payments'])} are listed")
