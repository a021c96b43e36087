"""``billing demo``."""

import asyncio
import subprocess
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from cli.demo import view, year_view
from cli.demo.evidence import Report
from cli.demo.play import consistent, play, running_stack
from cli.demo.shop import Shop
from cli.demo.visitor import invite
from cli.demo.year import play_year
from cli.demo.year_evidence import YearReport
from cli.output import REFUSED, err, out, write_json
from deploy.local.connect import settings_of_running_stack


def demo(
    payments: Annotated[int, typer.Option(min=1, max=100_000, help="Customers to serve.")] = 200,
    subscribers: Annotated[
        int, typer.Option(min=0, max=1_000, help="Subscribers to play through a year on a test clock; 0: none.")
    ] = 100,
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
    figures = asdict(report) | {"seconds": round(seconds, 2)}
    agree = consistent(report, payments)
    if subscribers:
        year, seconds = _year(console, status, subscribers)
        year_view.summary(console, year, seconds)
        figures["year"] = asdict(year) | {"seconds": round(seconds, 2)}
        agree = agree and not year.problems
    view.where_to_look(console, status, asyncio.run(invite(settings_of_running_stack())))
    if as_json:
        write_json(figures)
    if not agree:
        raise typer.Exit(REFUSED)


def _year(console: Console, status: dict[str, Any], subscribers: int) -> tuple[YearReport, float]:
    console.print(f"\n{subscribers} subscribers live a year by a test clock\n")
    with console.status("opening the shop…") as progress:

        def show(at: datetime, charges: int) -> None:
            progress.update(f"{at:%d %B %Y}, {charges} charges under way")

        return asyncio.run(play_year(status, subscribers, show))
