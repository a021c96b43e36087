"""``billing clearing discrepancies``: what differs between a provider's statement and the books."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from backoffice.clearing import discrepancies
from backoffice.clearing.discrepancies import Found
from billing.clearing.discrepancies import Kind, Resolution, State
from billing.money import Money
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import on_running_stack, out, write_json
from storage.clearing.discrepancies import Decided, Discrepancy, Filters

app = typer.Typer(help="What differs between a provider's statement and the books.", no_args_is_help=True)

Id = Annotated[UUID, typer.Argument(metavar="ID")]


@app.command("list")
def list_discrepancies(
    provider: Annotated[str | None, typer.Option(help="One provider.")] = None,
    date_: Annotated[
        datetime | None,
        typer.Option("--date", metavar="DATE", formats=["%Y-%m-%d"], help="Found on this business day."),
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="One kind.")] = None,
    state: Annotated[State | None, typer.Option(help="One state; all but CLOSED where none is given.")] = None,
    payment: Annotated[UUID | None, typer.Option(help="Of one payment.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the most urgent first.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List discrepancies, the most urgent first."""
    day = None if date_ is None else date_.date()
    found = on_running_stack(
        lambda settings: discrepancies.listed(
            settings, Filters(provider=provider, day=day, kind=kind, state=state, payment_id=payment), limit
        )
    )
    if as_json:
        write_json({"discrepancies": found})
        return
    if not found:
        out.print("there are none")
        return
    table = Table(title=f"{len(found)} discrepancies", title_justify="left")
    for column in ("id", "day", "provider", "kind", "state", "ours", "theirs", "due (UTC)", "owner"):
        table.add_column(column, overflow="fold", justify="right" if column in ("ours", "theirs") else "left")
    for one in found:
        colour = {"critical": "red", "high": "yellow"}.get(one.severity, "white")
        table.add_row(
            str(one.id), str(one.business_date), one.provider, f"[{colour}]{one.kind}[/]", one.state, _money(one.ours, one),
            _money(one.theirs, one), "" if one.due_at is None else str(one.due_at)[:16], escape(one.owner or ""),
        )  # fmt: skip
    out.print(table)


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a discrepancy with its history. Exit 1: there is none."""
    found = on_running_stack(lambda settings: discrepancies.show(settings, id))
    if as_json:
        write_json(found)
    else:
        _show(found)


@app.command()
def claim(id: Id, reason: Reason, actor: Actor, as_json: AsJson = False) -> None:
    """Take a discrepancy on under your name."""
    who = operator(actor, reason)
    _done(on_running_stack(lambda settings: discrepancies.claim(settings, who, id)), as_json=as_json)


@app.command()
def resolve(
    id: Id,
    resolution: Annotated[Resolution, typer.Option("--as", help="What you found.")],
    reason: Reason,
    actor: Actor,
    seen: Annotated[int | None, typer.Option(help="The version that you looked at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide on a discrepancy. The next statements have to confirm it, else it opens again. Above the limit of one person a
    write-off or an acceptance is made in the panel, where a second one approves it. Exit 1: it cannot be decided so."""
    who = operator(actor, reason)
    decided = on_running_stack(lambda settings: discrepancies.resolve(settings, who, id, resolution, seen=seen))
    _done(decided, as_json=as_json)


@app.command()
def reopen(id: Id, reason: Reason, actor: Actor, as_json: AsJson = False) -> None:
    """Take a decision back."""
    who = operator(actor, reason)
    _done(on_running_stack(lambda settings: discrepancies.reopen(settings, who, id)), as_json=as_json)


def _done(decided: Decided, *, as_json: bool) -> None:
    after = decided.discrepancy
    if as_json:
        write_json(after)
        return
    confirm = "" if after.confirm_by is None else f"; the statements up to {after.confirm_by} have to confirm it"
    out.print(f"{after.kind} {after.id} is {after.state}{confirm}")


def _show(found: Found) -> None:
    one = found.discrepancy
    facts = {
        "id": one.id, "kind": one.kind, "severity": one.severity, "state": one.state, "provider": one.provider,
        "day": one.business_date, "payment": one.payment_id, "operation": one.operation_id, "ours": _money(one.ours, one),
        "theirs": _money(one.theirs, one), "asked": one.asked or None, "due": one.due_at, "owner": one.owner,
        "resolution": one.resolution, "confirm by": one.confirm_by, "version": one.version,
    } | one.detail  # fmt: skip
    for name, value in facts.items():
        if value is not None and value != "":
            out.print(f"[bold]{escape(str(name))}[/] {escape(str(value))}", soft_wrap=True)
    table = Table(title="History", title_justify="left")
    for column in ("version", "at (UTC)", "by", "event", "kind", "state", "reason"):
        table.add_column(column, overflow="fold")
    for entry in found.history:
        table.add_row(
            str(entry.version), str(entry.at)[:19], escape(entry.actor), entry.event, entry.kind, entry.state,
            escape(entry.reason or ""),
        )  # fmt: skip
    out.print(table)


def _money(amount: int | None, one: Discrepancy) -> str:
    return "" if amount is None or one.currency is None else str(Money(amount, one.currency))
