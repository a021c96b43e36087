"""The commands ``billing dead-letters list | show | replay | discard``."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import on_running_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from backoffice.dead_letters.letters import Letter
    from storage.streams.dead_letter_resolutions import Place, Resolution

app = typer.Typer(help="Messages that could not be processed.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="PARTITION-OFFSET, as `list` shows it.")]
Actor = Annotated[str, typer.Option(envvar="USER", help="Who does it; stays on record.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]

#: Characters of a cause shown in the list.
CAUSE_WIDTH: Final = 160


@app.command("list")
def list_letters(
    everything: Annotated[bool, typer.Option("--all", help="Also those replayed or discarded.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List the dead letters nobody has dealt with yet, the newest first."""
    rows = on_running_stack(lambda settings: _list(settings, everything=everything))
    rows.sort(key=lambda row: str(row["buried_at"]), reverse=True)
    if as_json:
        sys.stdout.write(json.dumps({"total": len(rows), "dead_letters": rows[:limit]}) + "\n")
        return
    table = Table(title=f"{len(rows)} {'' if everything else 'open '}dead letters", title_justify="left")
    for column in ("id", "buried (UTC)", "consumer", "origin", "cause", *(["resolution"] if everything else [])):
        table.add_column(column, overflow="fold")
    for row in rows[:limit]:
        resolution = row["resolution"]
        said = f"{resolution['action']} by {resolution['actor']}" if resolution else "open"
        cells = (row["id"], row["buried_at"][:19], row["consumer"], row["origin"], row["cause"][:CAUSE_WIDTH])
        table.add_row(*map(escape, (*cells, *([said] if everything else []))))
    console = Console()
    console.print(table)
    if len(rows) > limit:
        console.print(f"{len(rows) - limit} older ones: --limit")


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a dead letter whole: cause, place, headers, value; personal data masked. Exit 1: no such letter."""
    from backoffice.dead_letters.letters import shown_headers, shown_value
    from runtime.logging.redaction import redact

    letter, resolution = on_running_stack(lambda settings: _one(settings, _place(id)))
    key = None if letter.key is None else redact(letter.key.decode(errors="replace"))
    rest = {"key": key, "headers": shown_headers(letter), "bytes": len(letter.value)}
    report = _row(letter, resolution) | rest | {"value": shown_value(letter.value)}
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    console = Console()
    for name in ("id", "buried_at", "consumer", "origin", "cause", "key", "headers", "resolution", "bytes"):
        console.print(f"[bold]{name}[/] {escape(str(report[name]))}", soft_wrap=True)
    value = report["value"]
    if isinstance(value, str):
        console.print(value, markup=False, soft_wrap=True)
    else:
        console.print_json(data=value)


@app.command()
def replay(
    actor: Actor,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="PARTITION-OFFSET.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open one, the oldest first.")] = False,
) -> None:
    """Send a dead letter's message to its topic again, as it was. Safe to repeat: consumers recognise repeats."""
    if (id is None) != everything:
        raise typer.BadParameter("name one ID, or say --all")
    failed = on_running_stack(lambda settings: _replay(settings, None if id is None else _place(id), actor))
    if failed:
        raise typer.Exit(1)


@app.command()
def discard(
    id: Id,
    actor: Actor,
    reason: Annotated[str, typer.Option(help="Why it may be lost; stays on record.")],
) -> None:
    """Let a dead letter go: it leaves the list, and stays in Kafka for as long as the topic keeps it."""
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    on_running_stack(lambda settings: _discard(settings, _place(id), actor, reason.strip()))
    Console().print(f"{id} discarded")


async def _list(settings: Settings, *, everything: bool) -> list[dict[str, Any]]:
    from backoffice.dead_letters.letters import letters

    known = await _resolutions(settings)
    return [
        _row(letter, resolution)
        async for letter in letters(settings)
        if (resolution := known.get((letter.partition, letter.offset))) is None or everything
    ]


async def _one(settings: Settings, place: "Place") -> "tuple[Letter, Resolution | None]":
    from backoffice.dead_letters.letters import letter_at

    letter = await letter_at(settings, *place)
    if letter is None:
        _refuse(f"there is no dead letter {place[0]}-{place[1]}")
    return letter, (await _resolutions(settings)).get(place)


async def _replay(settings: Settings, place: "Place | None", actor: str) -> int:
    """Replay one, or all that are open; how many could not be."""
    from backoffice.dead_letters.letters import letters
    from backoffice.dead_letters.replay import NotReplayable, Replayer
    from storage.streams.dead_letter_resolutions import Resolution

    if place is None:
        known = await _resolutions(settings)
        chosen = [letter async for letter in letters(settings) if (letter.partition, letter.offset) not in known]
        chosen.sort(key=lambda letter: letter.buried_at)
    else:
        chosen = [await _open_one(settings, place)]
    failed = 0
    async with Replayer(settings) as replayer:
        for letter in chosen:
            try:
                where = await replayer.send(letter)
            except NotReplayable as error:
                Console(stderr=True).print(str(error), style="red", markup=False)
                failed += 1
                continue
            # Only now: a letter is not dealt with before the broker has its message.
            await _record(settings, (letter.partition, letter.offset), Resolution("replayed", actor, _now()))
            Console().print(f"{letter.id} replayed to {where}", markup=False, highlight=False)
    return failed


async def _discard(settings: Settings, place: "Place", actor: str, reason: str) -> None:
    from storage.streams.dead_letter_resolutions import Resolution

    await _open_one(settings, place)
    if not await _record(settings, place, Resolution("discarded", actor, _now(), reason)):
        _refuse("somebody else has just dealt with it")


async def _open_one(settings: Settings, place: "Place") -> "Letter":
    letter, resolution = await _one(settings, place)
    if resolution is not None:
        _refuse(f"{letter.id} was {resolution.action} by {resolution.actor} at {resolution.resolved_at.isoformat()}")
    return letter


async def _resolutions(settings: Settings) -> "dict[Place, Resolution]":
    from runtime.postgres import connected
    from storage.streams.dead_letter_resolutions import resolutions

    async with connected(settings) as engine, engine.connect() as connection:
        return await resolutions(connection)


async def _record(settings: Settings, place: "Place", resolution: "Resolution") -> bool:
    from runtime.postgres import connected
    from storage.streams.dead_letter_resolutions import resolve

    async with connected(settings) as engine, engine.begin() as connection:
        return await resolve(connection, place, resolution)


def _row(letter: "Letter", resolution: "Resolution | None") -> dict[str, Any]:
    import msgspec

    from runtime.logging.redaction import redact

    return {
        "id": letter.id,
        "buried_at": letter.buried_at.isoformat(),
        "consumer": letter.place.get("consumer", "?"),
        "origin": letter.origin,
        "cause": redact(letter.place.get("cause", "?")),
        "resolution": msgspec.to_builtins(resolution),
    }


def _place(id: str) -> "Place":
    partition, _, offset = id.partition("-")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{id!r} is not PARTITION-OFFSET")
    return int(partition), int(offset)


def _refuse(why: str) -> NoReturn:
    Console(stderr=True).print(why, markup=False)
    raise typer.Exit(1)


def _now() -> datetime:
    return datetime.now(UTC)
