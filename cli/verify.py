"""The command ``billing verify``."""

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from backoffice.audit.findings import Findings

#: Violations of one kind printed in full; the rest is in the JSON.
SHOWN_PER_KIND: Final = 5


def verify(
    wait: Annotated[float, typer.Option(min=0, help="Seconds for what is under way to arrive.")] = 10.0,
    settled: Annotated[bool, typer.Option("--settled", help="What is still under way is a violation too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Audit everything: Postgres, Kafka, the providers' own record, ClickHouse, RabbitMQ.

    Changes nothing. Exit 1 on any violation, 2 where a part could not be read.
    """
    import aiohttp
    from aio_pika.exceptions import AMQPError
    from aiokafka.errors import KafkaError
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from sqlalchemy.exc import SQLAlchemyError

    from backoffice.audit.audit import audit
    from deploy.local.connect import NothingRuns, settings_of_running_stack

    console = Console(stderr=True)
    try:
        with console.status("verify") as status:
            findings = asyncio.run(audit(settings_of_running_stack(), wait, settled=settled, say=status.update))
    except NothingRuns as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
    except (SQLAlchemyError, KafkaError, ClickHouseError, AMQPError, aiohttp.ClientError, OSError) as error:
        console.print(f"[red]the audit could not be done[/]: {type(error).__name__}: {error}", highlight=False)
        raise typer.Exit(2) from error
    if as_json:
        sys.stdout.write(json.dumps(findings.as_json()) + "\n")
    else:
        _show(Console(), findings)
    if findings.violations:
        raise typer.Exit(1)


def _show(console: Console, findings: "Findings") -> None:
    checked = Table(title="checked", title_justify="left", show_header=False)
    for name, count in findings.checked.items():
        checked.add_row(name.replace("_", " "), f"{count:,}".replace(",", " "))
    console.print(checked)
    if not findings.violations:
        console.print("[green]no violation[/]")
        return
    table = Table(title=f"{len(findings.violations)} violations", title_justify="left", title_style="bold red")
    for column in ("kind", "id", "detail"):
        table.add_column(column, overflow="fold")
    shown: Counter[str] = Counter()
    for violation in findings.violations:
        shown[violation.kind] += 1
        if shown[violation.kind] <= SHOWN_PER_KIND:
            table.add_row(*violation)
    console.print(table)
    for kind, count in shown.items():
        if count > SHOWN_PER_KIND:
            console.print(f"{kind}: {count} in all, `--json` lists them")
