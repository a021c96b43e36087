"""``billing journal``: the upkeep of the journal's monthly partitions."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.output import on_running_stack
from runtime.settings import Settings

app = typer.Typer(help="Upkeep of the journal, which grows without end.", no_args_is_help=True)


@app.command()
def make(ahead: Annotated[int, typer.Option(min=0, max=24, help="Months to make ahead.")] = 3) -> None:
    """Make this month's partition and the coming ones. `billing migrate` does it too."""
    on_running_stack(lambda settings: _make(settings, ahead))


@app.command()
def detach(keep_months: Annotated[int, typer.Option(min=1, help="Months to keep attached, besides this one.")]) -> None:
    """Take old months off the journal. Their tables stay, under their names, to be archived and dropped by hand."""
    on_running_stack(lambda settings: _detach(settings, keep_months))


async def _make(settings: Settings, ahead: int) -> None:
    from runtime.postgres import connected
    from storage.journal.partitions import make_partitions

    async with connected(settings) as engine, engine.begin() as connection:
        made = await make_partitions(connection, _today(), ahead)
    Console().print(f"made: {', '.join(made) or 'nothing was missing'}")


async def _detach(settings: Settings, keep_months: int) -> None:
    from runtime.postgres import connected
    from storage.journal.partitions import detach_partitions, month_after

    async with connected(settings) as engine, engine.begin() as connection:
        taken = await detach_partitions(connection, month_after(_today(), -keep_months))
    Console().print(f"detached: {', '.join(taken) or 'nothing is that old'}")


def _today() -> date:
    return datetime.now(UTC).date()
