"""``billing backfill``."""

import time
from typing import Annotated

import typer

from backoffice.parity.backfill import backfill as send_journal
from cli.output import UNAVAILABLE, err, on_running_stack, out, progress_bar
from runtime import gc
from runtime.retry import DependencyUnavailable
from sinks.batch import PayloadRejected


def backfill(
    restart: Annotated[bool, typer.Option("--restart", help="From the beginning, not from where it stopped.")] = False,
) -> None:
    """Send the whole journal and all events of clearing to ClickHouse. Continues where it stopped; safe at any time, rows are versioned."""
    gc.freeze_startup_objects()
    started = time.monotonic()
    try:
        with progress_bar("backfill") as progress:
            operations = on_running_stack(lambda settings: send_journal(settings, progress, restart=restart))
    except (DependencyUnavailable, PayloadRejected) as error:
        err.print(f"stopped, run it again to continue: {error}", style="red", markup=False)
        raise typer.Exit(UNAVAILABLE) from error
    seconds = time.monotonic() - started
    out.print(f"{operations} operations sent in {seconds:.1f} s ({operations / max(seconds, 0.001):,.0f} per second)")
