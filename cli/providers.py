"""``billing providers``: who may be called, and who said so."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import on_running_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

app = typer.Typer(help="Which payment providers are called; switch one off and on.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider, as `list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; stays on record.")]
Actor = Annotated[str, typer.Option(envvar="USER", help="Who does it; stays on record.")]


@app.command("list")
def list_providers(
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """List the providers: switched on or off, by whom and why, and the breakers that hold calls back."""
    rows = on_running_stack(_list)
    if as_json:
        sys.stdout.write(json.dumps({"providers": rows}) + "\n")
        return
    table = Table(title="Providers", title_justify="left")
    for column in ("provider", "calls", "since (UTC)", "by", "reason", "waiting operations"):
        table.add_column(column, overflow="fold")
    for row in rows:
        switch, breakers = row["switch"], row["breakers"]
        calls = "[red]switched off[/]" if not row["enabled"] else "[green]on[/]"
        if breakers:
            calls += f", [yellow]held back by {len(breakers)} worker(s): {escape(breakers[0]['reason'])}[/]"
        said = (switch["switched_at"][:19], switch["actor"], switch["reason"]) if switch else ("", "", "")
        table.add_row(row["provider"], calls, *map(escape, said), str(row["waiting"]))
    Console().print(table)


@app.command()
def disable(name: Name, reason: Reason, actor: Actor) -> None:
    """Stop calling a provider, within about a second in every worker. What should go to it waits; nothing is lost.

    Callbacks are still taken. `enable` sends what waited.
    """
    waiting = on_running_stack(lambda settings: _turn(settings, name, _said(reason), actor, enabled=False))
    Console().print(f"{name} is switched off; {waiting} operations wait for it. On again: billing providers enable")


@app.command()
def enable(name: Name, reason: Reason, actor: Actor) -> None:
    """Call a provider again, and send at once what waited for it."""
    waiting = on_running_stack(lambda settings: _turn(settings, name, _said(reason), actor, enabled=True))
    Console().print(f"{name} is switched on; {waiting} operations that waited for it are sent")


async def _list(settings: Settings) -> list[dict[str, Any]]:
    import msgspec

    from providers import registry
    from runtime.postgres import connected
    from storage.payments.follow_ups import held_back
    from storage.providers.switches import open_breakers, switches

    async with connected(settings) as engine, engine.connect() as connection:
        turned = await switches(connection)
        breakers = await open_breakers(connection, _now())
        return [
            {
                "provider": name,
                "enabled": name not in turned or turned[name].enabled,
                "switch": msgspec.to_builtins(turned.get(name)),
                "breakers": [msgspec.to_builtins(breaker) for breaker in breakers if breaker.provider == name],
                "waiting": len(await held_back(connection, name, _now())),
            }
            for name in sorted(registry.build(settings).keys() | turned.keys())
        ]


async def _turn(settings: Settings, name: str, reason: str, actor: str, *, enabled: bool) -> int:
    """Turn the switch; how many operations wait for the provider."""
    from providers import registry
    from runtime.postgres import connected
    from storage.payments.follow_ups import held_back
    from storage.providers.switches import Switch, turn
    from streams.provider_calls.availability import LOOK_EVERY_S

    known = sorted(registry.build(settings))
    if name not in known:
        raise typer.BadParameter(f"no such provider; there are: {', '.join(known)}", param_hint="NAME")
    async with connected(settings) as engine:
        async with engine.begin() as connection:
            await turn(connection, name, Switch(enabled, reason, actor, _now()))
        await asyncio.sleep(2 * LOOK_EVERY_S)  # now every worker has seen it
        if enabled:
            return await _send_what_waited(settings, engine, name)
        async with engine.connect() as connection:
            return len(await held_back(connection, name, _now()))


async def _send_what_waited(settings: Settings, engine: "AsyncEngine", name: str) -> int:
    """Ask the payments to try again now: their next try may be hours away."""
    from aiokafka import AIOKafkaProducer

    from runtime.kafka.options import producer_options
    from runtime.kafka.publisher import Outbox
    from storage.payments.follow_ups import held_back
    from streams.payments.follow_ups import chase_message

    async with engine.connect() as connection:
        waiting = await held_back(connection, name, _now())
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        await Outbox(producer).publish([chase_message(*row, _now()) for row in waiting])
    return len(waiting)


def _said(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    return reason.strip()


def _now() -> datetime:
    return datetime.now(UTC)
