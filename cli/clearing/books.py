"""``billing clearing close``, ``tie-out`` and ``trial-balance``."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from backoffice.clearing import closing
from backoffice.clearing.closing import DayBalance
from billing.ledger.tie_out import TieOut
from cli.arguments import AsJson, Reason, operator
from cli.clearing.accounts import settlements
from cli.output import REFUSED, on_running_stack, out, write_json
from reconciliation.clearing.closing import Readiness

_DATES = ["%Y-%m-%d"]
_Date = Annotated[datetime | None, typer.Option("--date", formats=_DATES, help="By default the first open day.")]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who closes it; stays on record.")]


def close(
    reason: Reason,
    by: By,
    date: _Date = None,
    force: Annotated[bool, typer.Option("--force", help="Also where clearing is not through with it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Close the first open day of the books: nothing is ever booked on it again.

    What comes later for it is booked on the next open day and names the day that it corrects. Exit 1: it cannot be closed.
    """
    who = operator(by, reason)
    day = None if date is None else date.date()
    known = settlements()
    closed = on_running_stack(lambda settings: closing.close_day(settings, known, who, day, force=force))
    if as_json:
        write_json(closed)
        return
    out.print(f"{closed.accounting_date} is closed with {closed.entries:,} entries, hash {closed.hash}")


def trial_balance(
    date: Annotated[datetime, typer.Argument(metavar="DATE", formats=_DATES)], as_json: AsJson = False
) -> None:
    """Show what each account held, what came and went on a day, in minor units. Exit 1: there is none of that day."""
    day = date.date()
    found = on_running_stack(lambda settings: closing.balance_of(settings, day))
    if as_json:
        write_json(found)
    else:
        _show(found)


def tie_out(date: _Date = None, as_json: AsJson = False) -> None:
    """Show what each provider holds for us by our books and by its statements, and what explains the difference.

    Exit 1: something is not explained, or clearing is not through with the day.
    """
    day = None if date is None else date.date()
    known = settlements()
    found = on_running_stack(lambda settings: closing.tie_outs_of(settings, known, day))
    if as_json:
        write_json({"day": found.day, "reasons": found.reasons, "tie_outs": [_json(one) for one in found.tie_outs]})
    else:
        _show_tie_outs(found)
    if found.reasons:
        raise typer.Exit(REFUSED)


def _json(one: TieOut) -> dict[str, Any]:
    return msgspec.structs.asdict(one) | {"unexplained": one.unexplained}


def _show_tie_outs(found: Readiness) -> None:
    table = Table(title=f"Tie-out of {found.day}, minor units", title_justify="left")
    table.add_column("provider")
    table.add_column("currency")
    for column in ("our books", "statements", "before clearing", "awaited", "booked later", "unexplained"):
        table.add_column(column, justify="right")
    for one in found.tie_outs:
        colour = "red" if one.unexplained else "green"
        table.add_row(
            one.provider, one.currency, f"{one.ours:,}", f"{one.theirs:,}", f"{one.opening:,}",
            f"{one.awaited:,} ({one.awaited_count})", f"{one.booked_later:,} ({one.booked_later_count})",
            f"[{colour}]{one.unexplained:,}[/]",
        )  # fmt: skip
    out.print(table)
    for reason in found.reasons:
        out.print(f"[red]{escape(reason)}[/]")


def _show(found: DayBalance) -> None:
    table = Table(title=f"Trial balance of {found.accounting_date}, minor units", title_justify="left")
    table.add_column("account")
    table.add_column("currency")
    for column in ("opening", "debit", "credit", "closing"):
        table.add_column(column, justify="right")
    for row in found.accounts:
        amounts = (row.opening, row.debit, row.credit, row.closing)
        table.add_row(escape(row.account), row.currency, *(f"{amount:,}" for amount in amounts))
    out.print(table)
    if found.closed_at is None:
        out.print(f"{found.entries:,} entries so far; the day is open")
        return
    out.print(
        f"{found.entries:,} entries; closed at {str(found.closed_at)[:19]} UTC by {escape(found.closed_by or '')}:"
        f" {escape(found.reason or '')}; hash {found.hash}"
    )
