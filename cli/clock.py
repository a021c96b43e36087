"""``billing clock``: let subscriptions at a sandbox live through months in minutes."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from backoffice import test_clocks
from cli.arguments import AsJson
from cli.output import err, on_running_stack, out, write_json
from runtime.settings import Settings
from storage.test_clocks import ClockState

app = typer.Typer(
    help="Test clocks: let subscriptions at a sandbox live through months in minutes.", no_args_is_help=True
)

LOOK_S: Final = 0.5

ClockId = Annotated[UUID, typer.Argument(metavar="CLOCK")]
_FORMATS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@app.command()
def create(
    name: str,
    client: Annotated[str, typer.Option(help="API client whose subscriptions may live by it.")] = "demo",
    at: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="UTC; now by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a clock. A subscription that names it (`test_clock`) lives by it from then on."""
    clock = on_running_stack(
        lambda settings: test_clocks.create(settings, client, name, None if at is None else at.replace(tzinfo=UTC))
    )
    if as_json:
        write_json(clock)
    else:
        out.print(f"{clock.id} stands at {clock.now_at}")


@app.command()
def advance(
    clock: ClockId,
    to: Annotated[datetime, typer.Argument(formats=_FORMATS, help="UTC.")],
    as_json: AsJson = False,
) -> None:
    """Let a clock go on to a time, and wait until it has arrived: each appointment of its subscriptions is kept, each
    charge made and answered. Interrupt it, and the clock goes on by itself."""

    async def arrive(settings: Settings) -> ClockState:
        state = await test_clocks.advance(settings, clock, to.replace(tzinfo=UTC))
        with err.status("") as progress:
            while not state.has_arrived:
                progress.update(f"{state.clock.now_at}, {state.charges_open} charges under way")
                await asyncio.sleep(LOOK_S)
                state = await test_clocks.show(settings, clock)
        return state

    _show(on_running_stack(arrive), as_json=as_json)


@app.command()
def show(clock: ClockId, as_json: AsJson = False) -> None:
    """Show where a clock stands."""
    _show(on_running_stack(lambda settings: test_clocks.show(settings, clock)), as_json=as_json)


def _show(state: ClockState, *, as_json: bool) -> None:
    found: dict[str, Any] = {
        "id": state.clock.id,
        "name": state.clock.name,
        "client": state.clock.client_id,
        "now_at": state.clock.now_at,
        "target_at": state.clock.target_at,
        "subscriptions": state.subscriptions,
        "charges_open": state.charges_open,
    }
    if as_json:
        write_json(found)
        return
    for name, value in found.items():
        out.print(f"{name}: {value}", markup=False)
