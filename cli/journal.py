"""``billing journal``: upkeep of the journal's monthly partitions."""

from typing import Annotated

import typer

from backoffice import journal_partitions
from cli.output import on_running_stack, out
from runtime.clock import utc_now

app = typer.Typer(help="Upkeep of the journal's monthly partitions.", no_args_is_help=True)


@app.command()
def make(ahead: Annotated[int, typer.Option(min=0, max=24, help="Months to create ahead.")] = 3) -> None:
    """Create this month's partition and the following ones. `billing migrate` does it too."""
    today = utc_now().date()
    made = on_running_stack(lambda settings: journal_partitions.create_partitions(settings, today, ahead))
    out.print(f"made: {', '.join(made) or 'nothing was missing'}")


@app.command()
def detach(keep_months: Annotated[int, typer.Option(min=1, help="Months to keep attached, besides this one.")]) -> None:
    """Detach old months from the journal. They stay as tables, to be archived and dropped by hand."""
    today = utc_now().date()
    detached = on_running_stack(lambda settings: journal_partitions.detach_partitions(settings, today, keep_months))
    out.print(f"detached: {', '.join(detached) or 'nothing is that old'}")
