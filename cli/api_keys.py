"""The commands ``billing api-keys create | list | rotate | revoke``."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billing.access.scopes import Scope

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from runtime.new_keys import NewKey
    from storage.access.api_keys import StoredKey

app = typer.Typer(help="API clients and their keys.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Name = Annotated[str, typer.Argument(metavar="CLIENT", help="The API client: a-z, 0-9, dot, dash, underscore.")]

Result = TypeVar("Result")


@app.command()
def create(
    client: Name,
    scope: Annotated[list[Scope], typer.Option(help="What the key is good for; several times for several.")],
    rate: Annotated[int | None, typer.Option(min=1, help="Requests a second; a default without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API client and its first key. The key is shown once, now."""
    from runtime.new_keys import is_client_name, new_key
    from storage.access.api_keys import add_key, create_client

    if not is_client_name(client):
        raise typer.BadParameter(f"{client!r} cannot be the name of a client")
    key, now = new_key(), _now()

    async def work(connection: "AsyncConnection") -> list[str]:
        await create_client(connection, client, rate, now)
        return await add_key(connection, client, key.id, key.hash, sorted(set(scope)), now)

    _show_new(client, key, _run(work), as_json=as_json)


@app.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Also those revoked.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys: whose, what for, used when. A key itself cannot be shown: only its hash is kept."""
    from storage.access.api_keys import all_keys, live_keys

    keys = _run(all_keys if everything else live_keys)
    if as_json:
        sys.stdout.write(json.dumps({"api_keys": [_row(key) for key in keys]}) + "\n")
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
    Console().print(table)


@app.command()
def rotate(client: Name, as_json: AsJson = False) -> None:
    """Give a client one more key with the scopes of its latest; the old one stays good until it is revoked."""
    from runtime.new_keys import new_key
    from storage.access.api_keys import add_key

    key = new_key()
    scopes = _run(lambda connection: add_key(connection, client, key.id, key.hash, None, _now()))
    _show_new(client, key, scopes, as_json=as_json)


@app.command()
def revoke(id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")]) -> None:
    """Close the door to a key. Ingest processes know within `BILLING_API_KEYS_REFRESH_S` seconds."""
    from storage.access.api_keys import revoke_key

    client = _run(lambda connection: revoke_key(connection, id, _now()))
    Console().print(f"{id} of {client} revoked", markup=False, highlight=False)


def _show_new(client: str, key: "NewKey", scopes: list[str], *, as_json: bool) -> None:
    if as_json:
        report = {"client": client, "id": key.id, "scopes": scopes, "key": key.secret}
        sys.stdout.write(json.dumps(report) + "\n")
        return
    Console(stderr=True).print("keep it now: it is not shown again", style="yellow")
    sys.stdout.write(key.secret + "\n")


def _row(key: "StoredKey") -> dict[str, Any]:
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(key)
    del row["hash"]
    return row


def _run(work: "Callable[[AsyncConnection], Awaitable[Result]]") -> Result:
    """Do ``work`` in a transaction; exit 1 with the reason where it is refused."""
    from cli.output import explained
    from deploy.local.connect import settings_of_running_stack
    from runtime.postgres import create_engine
    from storage.access.api_keys import KeyRefused

    async def transaction() -> Result:
        engine = create_engine(settings_of_running_stack())
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    with explained():
        try:
            return asyncio.run(transaction())
        except KeyRefused as refused:
            Console(stderr=True).print(str(refused), markup=False)
            raise typer.Exit(1) from refused


def _now() -> datetime:
    return datetime.now(UTC)
