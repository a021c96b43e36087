"""The command ``billing timeline``."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cli.output import on_running_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from storage.journal.story import Entry

_STYLES: Final = {"transition": "bold", "posting": "green", "signal": "magenta", "call": "cyan", "refusal": "red"}
#: What of the state is shown in the table's title; the JSON has all of it.
_SHOWN: Final = ("status", "version", "authorized", "captured", "refunded")


def timeline(
    payment_id: Annotated[UUID, typer.Argument(help="The payment.")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop there: ISO 8601, UTC unless it says otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Tell all that happened to a payment, and what it was at the end or at any moment. Exit 1: no such payment."""
    until = None if at is None else _moment(at)
    told = on_running_stack(lambda settings: _told(settings, payment_id, until))
    if told is None:
        Console(stderr=True).print(f"there is no payment {payment_id}")
        raise typer.Exit(1)
    state, problem, entries = told
    if as_json:
        report = {"payment_id": payment_id, "at": until, "state": state, "problem": problem, "entries": entries}
        sys.stdout.write(_encoded(report) + "\n")
    else:
        _show(Console(), payment_id, until, state, entries)
        if problem:
            Console(stderr=True).print(f"the state cannot be rebuilt: {problem}", style="red", markup=False)


async def _told(
    settings: Settings, payment_id: UUID, until: datetime | None
) -> "tuple[Any, str | None, list[Entry]] | None":
    """The state (``None`` where the payment was not there yet), why it cannot be rebuilt, and the entries."""
    import msgspec

    from runtime.logging.redaction import redact
    from runtime.postgres import connected
    from storage.journal.replay import Unreplayable, rebuilt
    from storage.journal.story import entries
    from storage.journal.timeline import journal_of, postings_of

    async with connected(settings) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        journal = await journal_of(connection, payment_id)
        postings = await postings_of(connection, payment_id)
    if not journal:
        return None
    if until is not None:
        journal = [decided for decided in journal if decided.recorded_at <= until]
        postings = [posting for posting in postings if posting.posted_at <= until]
    state, problem = None, None
    try:
        state = redact(msgspec.to_builtins(rebuilt(journal)))
    except Unreplayable as error:
        problem = str(error)
    return state, problem, entries(journal, postings)


def _moment(at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise typer.BadParameter(f"{at!r} is not a time like 2026-11-23T12:00:00Z", param_hint="--at") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _encoded(report: dict[str, Any]) -> str:
    import msgspec

    return json.dumps(msgspec.to_builtins(report))


def _show(
    console: Console, payment_id: UUID, until: datetime | None, state: dict[str, Any] | None, entries: "list[Entry]"
) -> None:
    moment = "now" if until is None else f"at {until.isoformat()}"
    said = ", ".join(f"{name} {state.get(name, 0)}" for name in _SHOWN) if state else "not there"
    table = Table(title=f"payment {payment_id}\n{moment}: {said}", title_justify="left")
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("who", overflow="fold")
    table.add_column("inbox", no_wrap=True)
    for entry in entries:
        kind = f"{entry.kind} *" if entry.recomputed else entry.kind
        at = entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        row = (at, kind, entry.summary, entry.actor or "", entry.position)
        table.add_row(*map(_literal, row), style=_STYLES.get(entry.kind))
    console.print(table)
    console.print("* recomputed from the journal; amounts in the state are in minor units")


def _literal(text: str) -> str:
    from rich.markup import escape

    return escape(text)
