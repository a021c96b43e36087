"""``billing api-keys``: API clients and their keys."""

import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from backoffice import api_clients
from backoffice.api_clients import IssuedKey
from billing.access.scopes import Scope
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import err, on_running_stack, out, write_json
from storage.access.api_keys import StoredKey

app = typer.Typer(help="API clients and their keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="CLIENT", help="The API client: a-z, 0-9, dot, dash, underscore.")]


@app.command()
def create(
    client: Name,
    scope: Annotated[list[Scope], typer.Option(help="What the key allows; repeat it for several scopes.")],
    reason: Reason,
    actor: Actor,
    rate: Annotated[int | None, typer.Option(min=1, help="Requests per second; a default without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create an API client and its first key. The key is shown once, now."""
    who = operator(actor, reason)
    _show(
        on_running_stack(lambda settings: api_clients.create_client(settings, who, client, scope, rate)),
        as_json=as_json,
    )


@app.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Revoked keys too.")] = False, as_json: AsJson = False
) -> None:
    """List the keys: client, scopes, last use. A key itself cannot be shown: only its hash is stored."""
    keys = on_running_stack(lambda settings: api_clients.list_keys(settings, include_revoked=everything))
    if as_json:
        write_json({"api_keys": [_without_hash(key) for key in keys]})
        return
    table = Table(title=f"{len(keys)} API keys", title_justify="left")
    columns = ("client", "id", "scopes", "rate/s", "created (UTC)", "last used", *(["revoked"] if everything else []))
    for column in columns:
        table.add_column(column, overflow="fold")
    for key in keys:
        rate = "default" if key.rate_per_s is None else str(key.rate_per_s)
        times = [key.created_at, key.last_used_at, *([key.revoked_at] if everything else [])]
        cells = [key.client, key.id, " ".join(key.scopes), rate, *(str(at)[:19] if at else "never" for at in times)]
        table.add_row(*map(escape, cells), style="dim" if key.revoked_at else None)
    out.print(table)


@app.command()
def rotate(client: Name, reason: Reason, actor: Actor, as_json: AsJson = False) -> None:
    """Issue another key with the scopes of the client's latest; the old one stays valid until it is revoked."""
    who = operator(actor, reason)
    _show(on_running_stack(lambda settings: api_clients.rotate_key(settings, who, client)), as_json=as_json)


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")],
    reason: Reason,
    actor: Actor,
) -> None:
    """Revoke a key. Ingest refuses it within `BILLING_API_KEYS_REFRESH_S` seconds."""
    who = operator(actor, reason)
    client = on_running_stack(lambda settings: api_clients.revoke_key(settings, who, id))
    out.print(f"{id} of {client} revoked", markup=False, highlight=False)


def _show(issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        write_json(issued)
        return
    err.print("keep it now: it is not shown again", style="yellow")
    sys.stdout.write(issued.key + "\n")


def _without_hash(key: StoredKey) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(key)
    del row["hash"]
    return row
