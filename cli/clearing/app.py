"""``billing clearing``: a run now, how days stand, what is stuck."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from backoffice.clearing import runs, stuck
from backoffice.clearing.runs import DayState, DayStatus
from billing.money import Money
from cli.arguments import AsJson, operator
from cli.clearing import books
from cli.clearing.accounts import load_accounts
from cli.clearing.discrepancies import app as discrepancies
from cli.clearing.imports import import_file
from cli.clearing.report import write_report
from cli.output import REFUSED, on_running_stack, out, progress_bar, write_json
from reconciliation.clearing.run import Outcome, Ran

app = typer.Typer(
    help="Clearing: every day against every provider's statement, and the books' days closed.", no_args_is_help=True
)
app.add_typer(discrepancies, name="discrepancies")
app.command("close")(books.close)
app.command("tie-out")(books.tie_out)
app.command("trial-balance")(books.trial_balance)
app.command("report")(write_report)
app.command("import")(import_file)

Day = Annotated[datetime | None, typer.Option("--date", metavar="DATE", formats=["%Y-%m-%d"], help="Business day.")]
Provider = Annotated[str | None, typer.Option(help="One provider; all of them where none is given.")]


@app.command()
def run(
    date_: Annotated[datetime, typer.Option("--date", metavar="DATE", formats=["%Y-%m-%d"], help="Business day.")],
    provider: Provider = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, tell no payment.")] = False,
    believe: Annotated[bool, typer.Option("--believe", help="You have looked at a statement that is doubted.")] = False,
    reason: Annotated[str, typer.Option(help="Why it may be believed; stays on record.")] = "",
    actor: Annotated[str, typer.Option(envvar="USER", help="Who acts; stays on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Clear a business day now, again where it is cleared. Exit 1: there is no statement yet, or it is doubted."""
    who = operator(actor, reason) if believe else None
    names = [] if provider is None else [provider]
    load_accounts()
    with progress_bar("lines read") as update:
        ran = on_running_stack(
            lambda settings: runs.run_day(
                settings,
                date_.date(),
                names,
                lambda _name, _what, number: update(number, 0),
                believe=who,
                dry_run=dry_run,
            )
        )
    if as_json:
        write_json({"ran": ran})
    else:
        _show_runs(ran)
    if any(one.outcome is not Outcome.DONE for one in ran):
        raise typer.Exit(REFUSED)


@app.command()
def show(
    date_: Day = None,
    provider: Provider = None,
    limit: Annotated[int, typer.Option(min=1, max=400, help="Days of each provider.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Show how days stand: statements, both sides, discrepancies by kind. Exit 1: a day is not cleared."""
    day = None if date_ is None else date_.date()
    first, last = (date.min, date.max) if day is None else (day, day)
    found = on_running_stack(lambda settings: runs.status(settings, provider, since=first, until=last, limit=limit))
    if as_json:
        write_json({"days": found})
    else:
        _show_days(found, day)
    if any(one.state is not DayState.DONE for one in found):
        raise typer.Exit(REFUSED)


@app.command("runs")
def show_runs(
    state: Annotated[DayState | None, typer.Option(help="Days that stand so; all where none is given.")] = None,
    since: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="From this business day on.")
    ] = None,
    provider: Provider = None,
    limit: Annotated[int, typer.Option(min=1, max=400, help="Days of each provider.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the runs of days, the latest first: when they began and ended, and why one has not ended."""
    first = date.min if since is None else since.date()
    found = on_running_stack(lambda settings: runs.status(settings, provider, since=first, state=state, limit=limit))
    if as_json:
        write_json({"runs": found})
        return
    if not found:
        out.print("there are none")
        return
    table = Table(title="Runs", title_justify="left")
    for column in ("day", "provider", "state", "opened (UTC)", "ended (UTC)", "lines", "why"):
        table.add_column(column, overflow="fold", justify="right" if column == "lines" else "left")
    for one in found:
        ended = "" if one.finished_at is None else str(one.finished_at)[:19]
        table.add_row(
            str(one.day), one.provider, _coloured(one.state), str(one.started_at)[:19], ended,
            f"{one.ran.get('lines', 0):,}", escape(one.reason or ""),
        )  # fmt: skip
    out.print(table)


@app.command("stuck")
def show_stuck(
    limit: Annotated[int, typer.Option(min=1, max=500, help="By each rule, the oldest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what is stuck: payments, operations and callbacks that nothing has settled in time. Exit 1: a person has to look."""
    found = on_running_stack(lambda settings: stuck.find(settings, limit))
    if as_json:
        write_json({"stuck": found})
    elif not found:
        out.print("nothing is stuck")
    else:
        table = Table(title=f"{len(found)} are stuck", title_justify="left")
        for column in ("rule", "provider", "payment", "since (UTC)", "amount", "asked by", "person"):
            table.add_column(column, overflow="fold", justify="right" if column == "amount" else "left")
        for one in found:
            amount = "" if one.amount is None or one.currency is None else str(Money(one.amount, one.currency))
            person = "[red]yes[/]" if one.needs_person else ""
            table.add_row(
                one.rule, one.provider, one.payment_id or one.subject, str(one.since)[:19], amount, one.asked_by, person
            )
        out.print(table)
    if any(one.needs_person for one in found):
        raise typer.Exit(REFUSED)


def _show_runs(ran: list[Ran]) -> None:
    table = Table(title="Runs", title_justify="left")
    for column in ("provider", "day", "outcome", "lines", "movements", "found", "told", "why"):
        table.add_column(
            column, overflow="fold", justify="right" if column in ("lines", "movements", "told") else "left"
        )
    for one in ran:
        colour = "green" if one.outcome is Outcome.DONE else "red"
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in one.found.items())
        table.add_row(
            one.provider, str(one.day), f"[{colour}]{one.outcome}[/]", f"{one.lines:,}", f"{one.movements:,}", kinds,
            f"{one.asked:,}", escape(one.reason or ""),
        )  # fmt: skip
    out.print(table)


def _coloured(state: DayState) -> str:
    return f"[{'green' if state is DayState.DONE else 'red'}]{state}[/]"


def _show_days(found: list[DayStatus], day: date | None) -> None:
    if not found:
        out.print(
            f"no run of {day}"
            if day
            else "no day was cleared yet: `billing clearing run --date …`, or wait for the scheduler"
        )
        return
    table = Table(title="Days", title_justify="left")
    for column in ("day", "provider", "state", "lines", "movements", "discrepancies", "why"):
        table.add_column(column, overflow="fold", justify="right" if column in ("lines", "movements") else "left")
    for one in found:
        kinds = "\n".join(
            f"{kind} " + ", ".join(f"{state.lower()} {number:,}" for state, number in states.items())
            for kind, states in one.discrepancies.items()
        )
        counts = msgspec.convert(one.ran, dict[str, Any])
        table.add_row(
            str(one.day), one.provider, _coloured(one.state), f"{counts.get('lines', 0):,}",
            f"{counts.get('movements', 0):,}", kinds, escape(one.reason or ""),
        )  # fmt: skip
    out.print(table)
