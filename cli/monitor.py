"""``billing monitor``: the numbers of the books in a terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.arguments import AsJson
from cli.output import REFUSED, on_running_stack, out, write_json
from monitoring.books import BookReader, Books
from monitoring.ends import KafkaEnds
from monitoring.view import Block, Form, Level, Value, blocks, duration, worst
from runtime.postgres import POSTGRES_ERRORS, connected
from runtime.settings import Settings

#: A statement that takes longer is given up.
_STATEMENT_S: Final = 5.0
_STYLES: Final = {Level.FINE: "", Level.TICKET: "yellow", Level.PAGE: "bold red"}
#: The level in words: colour alone tells nobody who does not see it.
_WORDS: Final = {Level.FINE: "", Level.TICKET: "look", Level.PAGE: "act now"}


def monitor(
    once: Annotated[
        bool, typer.Option("--once", help="Look once, and end: exit 1 where somebody has to act now.")
    ] = False,
    every_s: Annotated[float, typer.Option("--every", min=0.5, max=60, help="Seconds between two looks.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Show what is unfinished, behind, waiting and wrong, the oldest first. Ctrl-C ends it; `--json` looks once."""
    if not (once or as_json):
        on_running_stack(lambda settings: _watch(settings, every_s))
        return
    books = on_running_stack(_look)
    shown = blocks(books)
    if as_json:
        write_json({"level": worst(shown).name.lower(), "at": books.at, "blocks": _plain(shown)})
    else:
        out.print(_page(shown, books.at))
    if worst(shown) is Level.PAGE:
        raise typer.Exit(REFUSED)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[tuple[AsyncEngine, BookReader]]:
    ends = KafkaEnds(settings)
    try:
        async with connected(settings, command_timeout_s=_STATEMENT_S) as engine:
            yield engine, BookReader(ends)
    finally:
        await ends.close()


async def _look(settings: Settings) -> Books:
    async with _reading(settings) as (engine, reader), engine.connect() as connection:
        return await reader.read(connection)


async def _watch(settings: Settings, every_s: float) -> None:
    """Forever. While Postgres does not answer, what was read last stays, and says so."""
    async with _reading(settings) as (engine, reader):
        async with engine.connect() as connection:
            books = await reader.read(connection)
        with Live(_page(blocks(books), books.at), console=out, screen=out.is_terminal, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every_s)
                error: str | None = None
                try:
                    async with engine.connect() as connection:
                        books = await reader.read(connection)
                except POSTGRES_ERRORS as failed:
                    error = repr(failed).splitlines()[0]
                live.update(_page(blocks(books), books.at, error), refresh=True)


def _page(shown: list[Block], at: datetime, error: str | None = None) -> RenderableType:
    lines: list[RenderableType] = [Text(f"The books at {at:%Y-%m-%d %H:%M:%S} UTC", style="bold")]
    if error is not None:
        lines.append(Text(f"PostgreSQL does not answer, this is what was read last: {error}", style="bold red"))
    return Group(*lines, *(part for block in shown for part in _block(block)))


def _block(block: Block) -> list[RenderableType]:
    if not block.rows:
        return [Text(f"\n{block.title}: {block.empty}", style="dim")]
    table = Table(title=block.title, title_justify="left")
    for column in block.columns:
        table.add_column(
            column.head, justify="left" if column.form in (Form.TEXT, Form.PAYMENT) else "right", overflow="fold"
        )
    table.add_column("")
    for row in block.rows:
        cells = (_cell(value, column.form) for value, column in zip(row.values, block.columns, strict=True))
        table.add_row(*cells, _WORDS[row.level], style=_STYLES[row.level])
    return [Text(""), table]


def _cell(value: Value, form: Form) -> str:
    if value is None:
        return "?"
    if isinstance(value, str):
        return escape(value)
    if form is Form.SECONDS:
        return duration(value)
    return f"{value:,.1f}" if form is Form.PER_S else f"{value:,}"


def _plain(shown: list[Block]) -> list[dict[str, object]]:
    return [
        {
            "name": block.name,
            "title": block.title,
            "rows": [
                {
                    **{column.head: value for column, value in zip(block.columns, row.values, strict=True)},
                    "level": row.level.name.lower(),
                }
                for row in block.rows
            ],
        }
        for block in shown
    ]
