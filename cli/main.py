"""The ``billing`` command and its subcommands."""

import typer

from cli import run as processes
from cli import stack
from cli.bench.command import bench
from cli.demo.command import demo

app = typer.Typer(
    name="billing",
    help="Billing of an on-line cinema: run it, watch it, check it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(demo)
app.command()(bench)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.logs)
app.command(hidden=True)(stack.supervise)
app.command()(processes.migrate)
app.add_typer(processes.app, name="run")


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
