"""`billing monitoring`: the files that are made from the watch table, and the check that they are."""

import sys

import typer

from cli.monitoring.declared import undeclared
from cli.monitoring.files import ROOT, made, stale

app = typer.Typer(help="Alert rules, dashboards and runbook, made from the watch table.", no_args_is_help=True)


@app.command()
def write() -> None:
    """Write deploy/prometheus/rules.yml, deploy/grafana/dashboards and the alerts of docs/operations.md."""
    for path, content in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        print(path.relative_to(ROOT))


@app.command()
def check() -> None:
    """Exit 1 where a file differs from the table, or a query names a metric that no process declares."""
    wrong = [f"{path} is not as the watch table says: billing monitoring write" for path in stale()]
    wrong += [f"no process declares {name}, which {title!r} asks for" for title, name in undeclared()]
    for line in wrong:
        print(line, file=sys.stderr)
    raise typer.Exit(1 if wrong else 0)
