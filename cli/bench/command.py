"""``billing bench``."""

import asyncio
import subprocess
from typing import Annotated, Any, Final, Literal

import typer

from cli.bench.clearing import Failed, clearing_table, measure_clearing
from cli.bench.ingest import ingest_table, measure_ingest
from cli.bench.panel import LIMIT_MS, measure_panel, panel_table
from cli.bench.recovery import CannotMeasure, measure_recovery, recovery_table
from cli.bench.renewals import measure_renewals, renewals_table
from cli.bench.reports import measure_reports, reports_table
from cli.bench.run import Plan, measure, table
from cli.bench.sinks import measure_sinks, sinks_table
from cli.demo.play import running_stack
from cli.output import REFUSED, err, exit_on_unavailable, on_running_stack, out, write_json
from cli.stack import current_layout
from deploy.local.connect import environment_of_running_stack, settings_of
from runtime.clock import utc_now

#: Operations that a benchmark makes where none are named.
OF_REPORTS: Final = 10_000_000
TO_CLEAR: Final = 100_000
#: Payments among which the panel is asked.
STORED: Final = 1_000_000


def bench(
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each load.")] = 60.0,
    concurrency: Annotated[int, typer.Option(min=1, help="Concurrent clients.")] = 48,
    stored: Annotated[
        int,
        typer.Option(
            min=0, help="Measure again with this many more stored payments; with --only admin: how many (1,000,000)."
        ),
    ] = 0,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="A steady load of so many payments a second, instead of full speed.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Measure so many times: medians and their spread.")] = 1,
    only: Annotated[
        Literal["reports", "ingest", "sinks", "renewals", "clearing", "admin", "recovery"] | None,
        typer.Option(
            help="Measure only reports, one ingest process, the sinks, renewals, clearing, the panel, or how soon the rate"
            " is back after a worker was killed and Kafka stopped."
        ),
    ] = None,
    operations: Annotated[
        int | None,
        typer.Option(min=1000, help="How many: with --only reports (10,000,000), with --only clearing (100,000)."),
    ] = None,
    with_payments: Annotated[
        bool,
        typer.Option(help="With --only clearing: also clear a fifth of them, six times, beside payments."),
    ] = False,
    due: Annotated[int, typer.Option(min=100, help="With --only renewals: how many are due.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Measure full payments on the running stack: posted, paid, called back, signalled, in ClickHouse."""
    if only == "reports":
        _reports(operations or OF_REPORTS, as_json=as_json)
        return
    if only == "ingest":
        _ingest(seconds, as_json=as_json)
        return
    if only == "sinks":
        _sinks(as_json=as_json)
        return
    status = _running(as_json=as_json)
    if only == "renewals":
        _renewals(status, due, as_json=as_json)
        return
    if only == "clearing":
        _clearing(status, operations or TO_CLEAR, with_payments=with_payments, as_json=as_json)
        return
    if only == "admin":
        _panel(status, stored or STORED, as_json=as_json)
        return
    if only == "recovery":
        _recovery(seconds, concurrency, as_json=as_json)
        return
    console = err if as_json else out
    with console.status("measuring") as progress:
        plan = Plan(seconds, concurrency, stored, rate, runs)
        figures = asyncio.run(measure(status, plan, progress.update))
    console.print(table(figures))
    if as_json:
        write_json(figures)
    if figures["lost"] or figures["duplicates"]:
        raise typer.Exit(REFUSED)


def _running(*, as_json: bool) -> dict[str, Any]:
    """The status of the stack, which is started where it does not run."""
    try:
        return running_stack(quiet=as_json)
    except subprocess.CalledProcessError as error:
        (err if as_json else out).print("[red]The stack did not come up[/]: see above, and `billing status`.")
        raise typer.Exit(REFUSED) from error


def _renewals(status: dict[str, Any], due: int, *, as_json: bool) -> None:
    console = err if as_json else out
    with exit_on_unavailable(), console.status("measuring") as progress:
        figures = asyncio.run(measure_renewals(status, due, progress.update))
    console.print(renewals_table(figures))
    if as_json:
        write_json(figures)
    if figures["issued"] != figures["due"]:
        raise typer.Exit(REFUSED)


def _clearing(status: dict[str, Any], operations: int, *, with_payments: bool, as_json: bool) -> None:
    console = err if as_json else out
    try:
        with exit_on_unavailable(), console.status("measuring") as progress:
            figures = asyncio.run(measure_clearing(status, operations, progress.update, with_payments=with_payments))
    except Failed as error:
        err.print(f"[red]Clearing failed[/]: {error}", markup=True)
        raise typer.Exit(REFUSED) from error
    console.print(clearing_table(figures))
    if as_json:
        write_json(figures)
    if figures["named"] != figures["seeded"] or figures["invented"]:
        raise typer.Exit(REFUSED)


def _panel(status: dict[str, Any], stored: int, *, as_json: bool) -> None:
    console = err if as_json else out
    with exit_on_unavailable(), console.status("measuring") as progress:
        figures = asyncio.run(measure_panel(status, stored, progress.update))
    console.print(panel_table(figures))
    if as_json:
        write_json(figures)
    if any(timed["p95"] > LIMIT_MS for timed in figures["milliseconds"].values()):
        raise typer.Exit(REFUSED)


def _recovery(seconds: float, concurrency: int, *, as_json: bool) -> None:
    console = err if as_json else out
    try:
        with exit_on_unavailable(), console.status("measuring") as progress:
            figures = asyncio.run(measure_recovery(current_layout(), seconds, concurrency, progress.update))
    except CannotMeasure as error:
        err.print(f"[red]Nothing was measured[/]: {error}", markup=True)
        raise typer.Exit(REFUSED) from error
    console.print(recovery_table(figures))
    if as_json:
        write_json(figures)
    if not figures["good"]:
        raise typer.Exit(REFUSED)


def _ingest(seconds: float, *, as_json: bool) -> None:
    console = err if as_json else out
    with exit_on_unavailable(), console.status("measuring") as progress:
        environment = environment_of_running_stack()
        figures = measure_ingest(settings_of(environment), environment, seconds, progress.update)
    console.print(ingest_table(figures))
    if as_json:
        write_json(figures)
    if figures["lost"] or figures["commands"]["failed"] or figures["callbacks"]["failed"]:
        raise typer.Exit(REFUSED)


def _sinks(*, as_json: bool) -> None:
    console = err if as_json else out
    with console.status("measuring") as progress:
        figures = on_running_stack(lambda settings: measure_sinks(settings, progress.update))
    console.print(sinks_table(figures))
    if as_json:
        write_json(figures)


def _reports(operations: int, *, as_json: bool) -> None:
    console = err if as_json else out
    today = utc_now().date()
    with console.status("generating operations") as progress:
        figures = on_running_stack(lambda settings: measure_reports(settings, operations, today, progress.update))
    console.print(reports_table(figures))
    if as_json:
        write_json(figures)
