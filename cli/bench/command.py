"""The command ``billing bench``."""

import asyncio
import json
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console


def bench(
    seconds: Annotated[float, typer.Option(min=1, help="How long each load lasts.")] = 60.0,
    concurrency: Annotated[int, typer.Option(min=1, help="Shops that post at once.")] = 48,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Measure full payments (posted, paid, called back, signalled, in ClickHouse) on the running stack."""
    from cli.bench.run import measure, table
    from cli.demo.play import running_stack

    console = Console(stderr=as_json)
    try:
        status = running_stack(quiet=as_json)
    except subprocess.CalledProcessError as error:
        console.print("[red]The stack did not come up[/]: see above, or `billing status`.")
        raise typer.Exit(1) from error
    with console.status("measuring") as progress:
        figures = asyncio.run(measure(status, seconds, concurrency, progress.update))
    console.print(table(figures))
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
    if figures["lost"] or figures["duplicates"]:
        raise typer.Exit(1)
