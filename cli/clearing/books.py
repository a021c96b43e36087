"""``billing clearing close`` and ``billing clearing trial-balance``."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import closing
from backoffice.closing import DayBalance
from cli.arguments import AsJson, Reason, operator
from cli.output import on_running_stack, out, write_json

_DATES = ["%Y-%m-%d"]
By = Annotated[str, typer.Option("--by", envvar="USER", help="Who closes it; stays on record.")]


def close(
    reason: Reason,
    by: By,
    date: Annotated[datetime | None, typer.Option(formats=_DATES, help="By default the first open day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Close the first open day of the books: nothing is ever booked on it again.

    What comes later for it is booked on the next open day and names the day that it corrects. Exit 1: it cannot be closed.
    """
    who = operator(by, reason)
    day = None if date is None else date.date()
    closed = on_running_stack(lambda settings: closing.close_day(settings, who, day))
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
