"""The ``billing`` command and its subcommands."""

import typer

from cli import journal, providers, stack
from cli import run as processes
from cli.api_keys import app as api_keys
from cli.asyncapi import asyncapi
from cli.backfill import backfill
from cli.bench.command import bench
from cli.dead_letters import app as dead_letters
from cli.demo.command import demo
from cli.parity import parity
from cli.payments import app as payment
from cli.rebuild import rebuild
from cli.reports import report
from cli.storm.command import storm
from cli.timeline import timeline
from cli.verify import verify
from runtime import gc

app = typer.Typer(
    name="billing",
    help="Billing of an on-line cinema: run it, watch it, check it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(demo)
app.command()(bench)
app.command()(storm)
app.command()(verify)
app.command()(timeline)
app.command()(rebuild)
app.command()(report)
app.command()(parity)
app.command()(backfill)
app.command()(asyncapi)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.logs)
app.command(hidden=True)(stack.supervise)
app.command()(processes.migrate)
app.add_typer(api_keys, name="api-keys")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(journal.app, name="journal")
app.add_typer(payment, name="payment")
app.add_typer(providers.app, name="providers")
app.add_typer(processes.app, name="run")


def main() -> None:
    """Entry point."""
    gc.rarely()
    app()


if __name__ == "__main__":
    main()
