"""The ``billing`` command and its subcommands."""

from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from runtime import gc


class Lazy(NamedTuple):
    """A command in ``module``: the function or the group of this ``name``. ``help`` is its first sentence."""

    module: str
    name: str
    help: str
    hidden: bool = False


COMMANDS: Final = {
    "demo": Lazy(
        "cli.demo.command", "demo", "Play customers against the running stack and compare what every part recorded."
    ),
    "bench": Lazy(
        "cli.bench.command",
        "bench",
        "Measure full payments on the running stack: posted, paid, called back, signalled, in ClickHouse.",
    ),
    "storm": Lazy("cli.storm.command", "storm", "Sell and refund while all providers fail at random, then audit."),
    "verify": Lazy(
        "cli.verify", "verify", "Audit everything: Postgres, Kafka, the providers' own record, ClickHouse, RabbitMQ."
    ),
    "timeline": Lazy(
        "cli.timeline", "timeline", "Show everything that happened to a payment, and its state now or at any moment."
    ),
    "rebuild": Lazy(
        "cli.rebuild",
        "rebuild",
        "Rebuild every payment and subscription from its journal and compare it with the stored one.",
    ),
    "report": Lazy("cli.reports", "report", "Run a report on ClickHouse."),
    "parity": Lazy(
        "cli.parity",
        "parity",
        "Compare counts and sums per day, provider, currency and state between Postgres and ClickHouse.",
    ),
    "backfill": Lazy("cli.backfill", "backfill", "Send the whole journal and all events of clearing to ClickHouse."),
    "asyncapi": Lazy("cli.asyncapi", "asyncapi", "Write docs/asyncapi.yaml and docs/signals/ from the code."),
    "up": Lazy("cli.stack", "up", "Start what is not running, and wait until everything works."),
    "down": Lazy("cli.stack", "down", "Stop everything, our own processes first."),
    "status": Lazy("cli.stack", "status", "Show the processes of the local stack and their health."),
    "logs": Lazy("cli.stack", "logs", "Print the end of a process' log."),
    "supervise": Lazy("cli.stack", "supervise", "Run the supervisor in the foreground.", hidden=True),
    "migrate": Lazy("cli.run", "migrate", "Migrate Postgres, Kafka, RabbitMQ and ClickHouse to this release."),
    "version": Lazy("cli.version", "version", "Print version, source revision, schema and message types."),
    "alive": Lazy("cli.alive", "alive", "Exit 0 while the worker or sink in this container makes progress."),
    "api-keys": Lazy("cli.api_keys", "app", "API clients and their keys."),
    "clearing": Lazy(
        "cli.clearing.app", "app", "Clearing: every day against every provider's statement, and the books' days closed."
    ),
    "clock": Lazy("cli.clock", "app", "Test clocks: let subscriptions at a sandbox live through months in minutes."),
    "dead-letters": Lazy("cli.dead_letters", "app", "Messages that could not be processed."),
    "monitor": Lazy("cli.monitor", "monitor", "Show what is unfinished, behind, waiting and wrong, the oldest first."),
    "monitoring": Lazy("cli.monitoring", "app", "Alert rules, dashboards and runbook, made from the watch table."),
    "journal": Lazy("cli.journal", "app", "Upkeep of the journal's monthly partitions."),
    "payment": Lazy("cli.payments", "app", "One payment: correct an operation, query its provider now."),
    "providers": Lazy("cli.providers", "app", "Which payment providers are called; switch one off and on."),
    "renewals": Lazy("cli.renewals", "app", "Renewals of subscriptions: what is due, a run now, the brake."),
    "staff": Lazy("cli.staff", "app", "People who use the pages, and what they may do."),
    "plans": Lazy("cli.plans", "app", "Plans and their prices."),
    "subscriptions": Lazy("cli.subscriptions", "app", "Subscriptions: list, show, cancel, extend; play a life."),
    "run": Lazy("cli.run", "app", "Run one process of the service in the foreground."),
}


class LazyGroup(TyperGroup):
    """Imports a command's module when the command runs, not when it is listed: `billing --help` stays quick, and a
    process loads only its own code."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, lazy in COMMANDS.items():
            self.add_command(TyperCommand(name, help=lazy.help, hidden=lazy.hidden))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, None if listed is None else load(str(name)), rest


def load(name: str) -> Any:
    """The command or group itself, ready to run."""
    lazy = COMMANDS[name]
    loaded = getattr(import_module(lazy.module), lazy.name)
    if not isinstance(loaded, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(loaded)
        loaded = single
    loaded.info.name = name
    return typer.main.get_command(loaded)


app = typer.Typer(name="billing", cls=LazyGroup, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def billing() -> None:
    """Billing of an on-line cinema: run, inspect and audit it."""


def main() -> None:
    """Entry point."""
    gc.relax_thresholds()
    try:
        app()
    except Exception as error:
        from cli.failures import advice_on  # noqa: PLC0415 - a command that works does not need it
        from cli.output import UNAVAILABLE, err  # noqa: PLC0415

        advice = advice_on(error)
        if advice is None:
            raise
        err.print(advice, style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(UNAVAILABLE) from None


if __name__ == "__main__":
    main()
