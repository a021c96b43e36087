"""``billing demo``."""

import asyncio
import subprocess
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live

from cli.demo import view
from cli.demo.evidence import Report
from cli.demo.play import consistent, play, running_stack
from cli.demo.shop import Shop
from cli.output import REFUSED, err, out, write_json


def demo(
    payments: Annotated[int, typer.Option(min=1, max=100_000, help="Customers to serve.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the carts.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Play customers against the running stack and compare what every part recorded.

    Brings the stack up if needed and leaves it running. Exit 1 when anything is lost, doubled or inconsistent.
    """
    console = err if as_json else out
    try:
        status = running_stack(quiet=as_json)
    except subprocess.CalledProcessError as error:
        console.print("[red]The stack did not come up[/]: see above, and `billing status`.")
        raise typer.Exit(REFUSED) from error
    console.print(f"{payments} customers: 8 of 10 pay, one is declined, one abandons the checkout\n")
    with Live(view.live(None, None, payments), console=console, refresh_per_second=4) as screen:

        def show(report: Report, shop: Shop) -> None:
            screen.update(view.live(report, shop, payments))

        report, seconds = asyncio.run(play(status, payments, seed, show))
    view.summary(console, report, seconds, status)
    if as_json:
        write_json(asdict(report) | {"seconds": round(seconds, 2)})
    if not consistent(report, payments):
        raise typer.Exit(REFUSED)
