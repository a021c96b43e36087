"""Reading the statement of a day into Postgres, page by page: whatever was read before the process died stays read."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from providers.base import Provider
from providers.statements import Part, StatementLine, StatementPage, StatementUnavailable
from storage.clearing.staging import PartRead, forget_part, parts_read, stage

_CONTENT: Final = UUID("9c3c4ad1-0d0b-4f5e-8d9a-6f0b6f2f7a10")
#: What of a line is money or says whose it is: a change of anything else is no change.
_MATTERS: Final = (
    "kind", "amount", "currency", "settled", "settlement_currency", "fee", "fee_tax", "own_id", "order_ref",
    "provider_ref", "payout_ref", "raw_type", "test",
)  # fmt: skip
#: The source has changed while it was read: the part is read from its start.
_CHANGED: Final = "changed"


def step(connection: AsyncConnection) -> AbstractAsyncContextManager[object]:
    """A transaction of its own; within one that is tried out, a part of that."""
    return connection.begin_nested() if connection.in_transaction() else connection.begin()


async def read_statement(
    connection: AsyncConnection, provider: Provider, name: str, day: date, on_progress: Callable[[int], None]
) -> int:
    """Stage what is not read yet of a day's statement; returns its lines. Raises
    :class:`~providers.statements.StatementUnavailable`: what was read stays staged. ``on_progress``: gets the lines so
    far."""
    async with step(connection):
        begun = await parts_read(connection, name, day)
    lines = sum(part.lines for part in begun.values())
    for part in provider.parts(day):
        known = begun.get(part.name, PartRead(part.name, None, 0, whole=False))
        if known.whole:
            continue
        try:
            async for more in _read_part(connection, provider, name, part, known):
                lines += more
                on_progress(lines)
        except StatementUnavailable as error:
            if error.reason == _CHANGED:
                async with step(connection):
                    await forget_part(connection, name, day, part.name)
            raise
    return lines


async def _read_part(
    connection: AsyncConnection, provider: Provider, name: str, part: Part, known: PartRead
) -> AsyncIterator[int]:
    """Yields the lines of each page, staged."""
    async for more in stage_pages(connection, name, part, provider.pages(part, known.cursor), known.lines):
        yield more


async def stage_pages(
    connection: AsyncConnection, name: str, part: Part, pages: AsyncIterator[StatementPage], staged: int = 0
) -> AsyncIterator[int]:
    """Stage the pages of a part, each in a transaction of its own; yields the lines of each. ``staged``: lines of it that
    are."""
    async for page in pages:
        async with step(connection):
            await stage(
                connection,
                name,
                part.day,
                part.name,
                [_columns(line) for line in page.lines],
                before=staged,
                cursor=page.next,
            )
        staged += len(page.lines)
        yield len(page.lines)


def _columns(line: StatementLine) -> dict[str, Any]:
    columns: dict[str, Any] = msgspec.structs.asdict(line)
    matters = msgspec.json.encode([columns[name] for name in _MATTERS]).decode()
    return columns | {"content": uuid5(_CONTENT, matters), "aliases": list(line.aliases)}
