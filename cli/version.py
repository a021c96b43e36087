"""``billing version``: which release this is, and which schema and messages it knows."""

import subprocess
from pathlib import Path

import msgspec
import typer

from billing.messages import MESSAGE_TYPES
from cli.arguments import AsJson
from cli.output import write_json
from runtime import release
from runtime.settings import Settings
from storage.schema import REVISION


class Version(msgspec.Struct, frozen=True):
    """``schema``: the Postgres revision that `billing migrate` brings. ``message_types``: those it can read."""

    version: str
    revision: str
    schema: str
    message_types: list[str]


def version(as_json: AsJson = False) -> None:
    """Print version, source revision, schema and message types."""
    this = Version(
        version=release.version(),
        revision=Settings().revision or _revision_of_checkout() or "unknown",
        schema=REVISION,
        message_types=sorted(MESSAGE_TYPES),
    )
    if as_json:
        write_json(this)
        return
    typer.echo(f"{release.DISTRIBUTION} {this.version}, revision {this.revision}, schema {this.schema}")
    typer.echo("message types:")
    for type in this.message_types:
        typer.echo(f"  {type}")


def _revision_of_checkout() -> str:
    """The commit checked out beside this code; empty where the code is installed without its repository."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return found.stdout.strip()
