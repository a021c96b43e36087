"""``billing verify``."""

from collections import Counter
from typing import Annotated, Final

import typer
from rich.table import Table

from backoffice.audit.audit import audit
from backoffice.audit.findings import Findings
from cli.arguments import AsJson
from cli.output import err, on_running_stack, out, write_json

#: Violations of one kind printed in full; the JSON has all.
SHOWN_PER_KIND: Final = 5


def verify(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for messages in flight.")] = 10.0,
    settled: Annotated[bool, typer.Option("--settled", help="Report what is still in flight as a violation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit everything: Postgres, Kafka, the providers' own record, ClickHouse, RabbitMQ.

    Changes nothing. Exit 1 on any violation, 2 if a service is unavailable.
    """
    with err.status("verify") as status:
        findings = on_running_stack(lambda settings: audit(settings, wait, settled=settled, on_progress=status.update))
    if as_json:
        write_json(findings.as_json())
    else:
        _show(findings)
    if findings.violations:
        raise typer.Exit(1)


def _show(findings: Findings) -> None:
    checked = Table(title="checked", title_justify="left", show_header=False)
    for name, count in findings.checked.items():
        checked.add_row(name.replace("_", " "), f"{count:,}".replace(",", " "))
    out.print(checked)
    if not findings.violations:
        out.print("[green]no violation[/]")
        return
    table = Table(title=f"{len(findings.violations)} violations", title_justify="left", title_style="bold red")
    for column in ("kind", "id", "detail"):
        table.add_column(column, overflow="fold")
    shown: Counter[str] = Counter()
    for violation in findings.violations:
        shown[violation.kind] += 1
        if shown[violation.kind] <= SHOWN_PER_KIND:
            table.add_row(*violation)
    out.print(table)
    for kind, count in shown.items():
        if count > SHOWN_PER_KIND:
            out.print(f"{kind}: {count} in all, `--json` lists them")
