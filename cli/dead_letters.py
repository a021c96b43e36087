"""``billing dead-letters``: messages that could not be processed."""

from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from backoffice.dead_letters import resolution as dead_letters
from backoffice.dead_letters.letters import masked_cause, masked_headers, masked_key, masked_value
from backoffice.dead_letters.resolution import DeadLetter, ReplayOutcome
from cli.arguments import Actor, AsJson, Reason, operator
from cli.output import REFUSED, err, on_running_stack, out, write_json

app = typer.Typer(help="Messages that could not be processed.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="PARTITION-OFFSET, as `list` shows it.")]

#: Characters of a cause shown in the list.
CAUSE_WIDTH: Final = 160


@app.command("list")
def list_letters(
    everything: Annotated[bool, typer.Option("--all", help="Replayed and discarded ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that are open, the newest first."""
    found = on_running_stack(lambda settings: dead_letters.list_dead_letters(settings, include_resolved=everything))
    if as_json:
        write_json({"total": len(found), "dead_letters": [_row(one) for one in found[:limit]]})
        return
    table = Table(title=f"{len(found)} {'' if everything else 'open '}dead letters", title_justify="left")
    for column in ("id", "buried (UTC)", "consumer", "origin", "cause", *(["resolution"] if everything else [])):
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "origin"))
    for one in found[:limit]:
        letter = one.letter
        status = f"{one.resolution.action} by {one.resolution.actor}" if one.resolution else "open"
        cells = (
            letter.id,
            str(letter.buried_at)[:19],
            letter.consumer,
            letter.origin,
            masked_cause(letter)[:CAUSE_WIDTH],
        )
        table.add_row(*map(escape, (*cells, *([status] if everything else []))))
    out.print(table)
    if len(found) > limit:
        out.print(f"{len(found) - limit} older ones: --limit")


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a dead letter whole: cause, position, headers, value; personal data masked. Exit 1: no such letter."""
    found = on_running_stack(lambda settings: dead_letters.read_dead_letter(settings, _position(id)))
    letter = found.letter
    report = _row(found) | {
        "key": masked_key(letter),
        "headers": masked_headers(letter),
        "bytes": len(letter.value),
        "value": masked_value(letter.value),
    }
    if as_json:
        write_json(report)
        return
    for name in ("id", "buried_at", "consumer", "origin", "cause", "key", "headers", "resolution", "bytes"):
        out.print(f"[bold]{name}[/] {escape(str(report[name]))}", soft_wrap=True)
    value = report["value"]
    if isinstance(value, str):
        out.print(value, markup=False, soft_wrap=True)
    else:
        out.print_json(data=value)


@app.command()
def replay(
    reason: Reason,
    actor: Actor,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="PARTITION-OFFSET.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open one, the oldest first.")] = False,
) -> None:
    """Send a dead letter's message to its topic again, unchanged. Safe to repeat: consumers recognise repeats."""
    if (id is None) != everything:
        raise typer.BadParameter("give either an ID or --all")
    who = operator(actor, reason)
    if id is None:
        outcomes = on_running_stack(lambda settings: dead_letters.replay_all(settings, who, _print))
    else:
        position = _position(id)
        outcomes = [on_running_stack(lambda settings: dead_letters.replay(settings, who, position))]
        _print(outcomes[0])
    if any(outcome.problem for outcome in outcomes):
        raise typer.Exit(REFUSED)


@app.command()
def discard(
    id: Id,
    actor: Actor,
    reason: Annotated[str, typer.Option(help="Why the message may be lost; stays on record.")],
) -> None:
    """Discard a dead letter: it leaves the list, and stays in Kafka for as long as the topic keeps it."""
    who, position = operator(actor, reason), _position(id)
    on_running_stack(lambda settings: dead_letters.discard(settings, who, position))
    out.print(f"{id} discarded")


def _print(outcome: ReplayOutcome) -> None:
    if outcome.problem is not None:
        err.print(outcome.problem, style="red", markup=False)
    else:
        out.print(f"{outcome.id} replayed to {outcome.position}", markup=False, highlight=False)


def _row(found: DeadLetter) -> dict[str, Any]:
    letter = found.letter
    return {
        "id": letter.id,
        "buried_at": letter.buried_at,
        "consumer": letter.consumer,
        "origin": letter.origin,
        "cause": masked_cause(letter),
        "resolution": found.resolution,
    }


def _position(id: str) -> tuple[int, int]:
    partition, _, offset = id.partition("-")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{id!r} is not PARTITION-OFFSET")
    return int(partition), int(offset)
