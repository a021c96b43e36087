"""``billing renewals``: what is due, what will be, a run now, the release of a braked one."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import renewals
from backoffice.renewals import RenewalsStatus
from billing.messages.subscription_commands import ProviderState
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import REFUSED, on_running_stack, out, refuse, write_json
from reconciliation.renewals.job import Outcome

app = typer.Typer(help="Renewals of subscriptions: what is due, a run now, the brake.", no_args_is_help=True)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the last business dates, what is due at each provider, and the brake. Exit 1: braked."""
    found = on_running_stack(renewals.status)
    if as_json:
        write_json(found)
    else:
        _show(found)
    if found.braked is not None:
        raise typer.Exit(REFUSED)


@app.command()
def plan(
    days: Annotated[int, typer.Option(min=1, max=400, help="Dates after today.")] = 40, as_json: AsJson = False
) -> None:
    """Show what will be charged by business date, if every subscription renews."""
    due = on_running_stack(lambda settings: renewals.plan(settings, days))
    if as_json:
        write_json({"due": due})
        return
    table = Table(title="Charges by business date", title_justify="left")
    for column, justify in (("date", "left"), ("provider", "left"), ("charges", "right"), ("minor units", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in due:
        table.add_row(str(one.date), one.provider, f"{one.number:,}", f"{one.amount:,} {one.currency}")
    out.print(table)


@app.command()
def run(as_json: AsJson = False) -> None:
    """Wake the subscriptions that are due, for at most 50 seconds, as the scheduler does every minute. Exit 1: it could not run."""
    ran = on_running_stack(renewals.run_now)
    if as_json:
        write_json(ran._asdict())
    if ran.outcome not in (Outcome.DONE, Outcome.OUT_OF_TIME):
        refuse(f"nothing was run: {ran.brake or ran.outcome}")
    if not as_json:
        out.print(f"{ran.woken} subscriptions were woken ({ran.outcome})")


@app.command()
def release(
    business_date: Annotated[datetime, typer.Argument(metavar="DATE", formats=["%Y-%m-%d"])],
    reason: Reason,
    actor: Actor,
) -> None:
    """Let the renewals of a braked business date go on, under your name. Look at `status` and `plan` first."""
    who = operator(actor, reason)
    day = business_date.date()
    on_running_stack(lambda settings: renewals.release(settings, who, day))
    out.print(f"the renewals of {day} go on within a minute")


def _show(found: RenewalsStatus) -> None:
    dates = Table(title="Business dates", title_justify="left")
    for column in ("date", "planned", "woken", "finished (UTC)", "brake"):
        dates.add_column(column, overflow="fold")
    for one in found.dates:
        brake = "" if one.brake is None else escape(one.brake)
        if one.released_by is not None:
            brake += f" (released by {escape(one.released_by)}: {escape(one.release_reason or '')})"
        elif one.brake is not None:
            brake = f"[red]{brake}[/]"
        finished = "" if one.finished_at is None else str(one.finished_at)[:19]
        dates.add_row(str(one.business_date), f"{one.planned:,}", f"{one.woken:,}", finished, brake)
    out.print(dates)
    providers = Table(title="Providers", title_justify="left")
    for column in ("provider", "calls", "due", "oldest due (UTC)", "unanswered", "last renewals"):
        providers.add_column(column, overflow="fold")
    for provider in found.providers:
        recent = ", ".join(f"{how} {number}" for how, number in sorted(provider.recent.items()))
        oldest = "" if provider.oldest_due_at is None else str(provider.oldest_due_at)[:19]
        state = "on" if provider.state is ProviderState.OK else f"[red]{provider.state.lower()}[/]"
        providers.add_row(provider.provider, state, f"{provider.due:,}", oldest, f"{provider.unanswered:,}", recent)
    out.print(providers)
    if found.braked is not None:
        out.print(
            f"[red]The renewals of {found.braked} are braked[/]: billing renewals release {found.braked} --reason …"
        )
