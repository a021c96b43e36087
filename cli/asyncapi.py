"""``billing asyncapi``: write the contract into docs/, or check that it is up to date."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from backoffice.asyncapi.breaking import breaking
from backoffice.asyncapi.document import document, signal_schemas

DOCUMENT: Final = Path("docs/asyncapi.yaml")
SIGNALS: Final = Path("docs/signals")


def asyncapi(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the files are not up to date.")
    ] = False,
    against: Annotated[Path, typer.Option(help="The published document to compare with.")] = DOCUMENT,
    allow_breaking: Annotated[bool, typer.Option(help="Write a breaking change too.")] = False,
) -> None:
    """Write docs/asyncapi.yaml and docs/signals/ from the code. A breaking change is refused: exit 1."""
    new = document()
    broken = breaking(yaml.safe_load(against.read_text("utf-8")), new) if against.exists() else []
    for line in broken:
        typer.echo(f"breaking: {line}", err=True)
    stale = [path for path, text in files(new).items() if not path.exists() or path.read_text("utf-8") != text]
    if check:
        for path in stale:
            typer.echo(f"not up to date: {path} (run `billing asyncapi`)", err=True)
    if (broken and not allow_breaking) or (check and stale):
        raise typer.Exit(1)
    if not check:
        for path, text in files(new).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        typer.echo(f"{len(stale)} files written" if stale else "up to date")


def files(document: dict[str, Any]) -> dict[Path, str]:
    """Path → text of every generated file."""
    texts = {DOCUMENT: yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)}
    for key, schema in signal_schemas().items():
        texts[SIGNALS / f"{key}.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts
