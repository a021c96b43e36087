"""``billing providers``: which providers are called; switch one off and on."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from backoffice import provider_switches
from backoffice.provider_switches import ProviderState
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import on_running_stack, out, write_json

app = typer.Typer(help="Which payment providers are called; switch one off and on.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider, as `list` shows it.")]


@app.command("list")
def list_providers(as_json: AsJson = False) -> None:
    """List the providers: switched on or off, by whom and why, and the breakers that hold calls back."""
    providers = on_running_stack(provider_switches.list_providers)
    if as_json:
        write_json({"providers": providers})
        return
    table = Table(title="Providers", title_justify="left")
    for column in ("provider", "calls", "since (UTC)", "by", "reason", "waiting operations"):
        table.add_column(column, overflow="fold")
    for provider in providers:
        switch = provider.switch
        cells = (str(switch.switched_at)[:19], switch.actor, switch.reason) if switch else ("", "", "")
        table.add_row(provider.provider, _calls(provider), *map(escape, cells), str(provider.waiting))
    out.print(table)


@app.command()
def disable(name: Name, reason: Reason, actor: Actor) -> None:
    """Stop calling a provider, within about a second in every worker. Its operations wait; nothing is lost.

    Callbacks are still accepted. `enable` sends what waited.
    """
    who = operator(actor, reason)
    waiting = on_running_stack(lambda settings: provider_switches.disable(settings, who, name))
    out.print(f"{name} is switched off; {waiting} operations wait for it. On again: billing providers enable")


@app.command()
def enable(name: Name, reason: Reason, actor: Actor) -> None:
    """Call a provider again, and send what waited for it at once."""
    who = operator(actor, reason)
    waiting = on_running_stack(lambda settings: provider_switches.enable(settings, who, name))
    out.print(f"{name} is switched on; {waiting} operations that waited for it are sent")


def _calls(provider: ProviderState) -> str:
    calls = "[green]on[/]" if provider.enabled else "[red]switched off[/]"
    if provider.breakers:
        reason = escape(provider.breakers[0].reason)
        calls += f", [yellow]held back by {len(provider.breakers)} worker(s): {reason}[/]"
    return calls
