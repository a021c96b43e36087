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

Hosts = Annotated[
    list[str] | None,
    typer.Option(
        help="A host that `return_urls` may have, or *.shop.example for all below it; repeat it for several. "
        "Without it any host."
    ),
]


@app.command()
def create(
    client: Name,
    scope: Annotated[list[Scope], typer.Option(help="What the key allows; repeat it for several scopes.")],
    reason: Reason,
    actor: Actor,
    rate: Annotated[int | None, typer.Option(min=1, help="Requests per second; a default without it.")] = None,
    return_host: Hosts = None,
    as_json: AsJson = False,
) -> None:
    """Create an API client and its first key. The key is shown once, now."""
    who = operator(actor, reason)
    _show(
        on_running_stack(
            lambda settings: api_clients.create_client(settings, who, client, scope, rate, return_host or ())
        ),
        as_json=as_json,
    )


@app.command("return-hosts")
def return_hosts(client: Name, reason: Reason, actor: Actor, return_host: Hosts = None) -> None:
    """Replace the hosts to which a client may send customers back; without --return-host it may be any."""
    who = operator(actor, reason)
    hosts = return_host or ()
    on_running_stack(lambda settings: api_clients.set_return_hosts(settings, who, client, hosts))
    out.print(f"{client} may send customers back to {', '.join(hosts) or 'any host'}", markup=False, highlight=False)


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
    columns = (
        "client",
        "id",
        "scopes",
        "rate/s",
        "return hosts",
        "created (UTC)",
        "last used",
        *(["revoked"] if everything else []),
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for key in keys:
        rate = "default" if key.rate_per_s is None else str(key.rate_per_s)
        times = [key.created_at, key.last_used_at, *([key.revoked_at] if everything else [])]
        hosts = "any" if key.return_hosts is None else " ".join(key.return_hosts)
        cells = [
            key.client,
            key.id,
            " ".join(key.scopes),
            rate,
            hosts,
            *(str(at)[:19] if at else "never" for at in times),
        ]
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
