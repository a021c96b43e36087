"""Lines of a statement while it is read: parts with their cursors, so that reading goes on where it stopped."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import STATEMENT_STAGING

_KEY: Final = "provider = :provider AND business_date = :day"
_COLUMNS: Final = [column.name for column in STATEMENT_STAGING.columns]
_PARTS = text(f"SELECT part, cursor, lines, read_at IS NOT NULL FROM statement_parts WHERE {_KEY}")  # noqa: S608
_MOVE = text(
    """
    INSERT INTO statement_parts (provider, business_date, part, cursor, lines, read_at)
    VALUES (:provider, :day, :part, :cursor, :lines, CASE WHEN CAST(:cursor AS text) IS NULL THEN now() END)
    ON CONFLICT (provider, business_date, part) DO UPDATE
    SET cursor = EXCLUDED.cursor, lines = EXCLUDED.lines, read_at = EXCLUDED.read_at
    """
)
_COUNTED = text(
    f"""
    SELECT (SELECT coalesce(sum(lines), 0) FROM statement_parts WHERE {_KEY}),
           (SELECT count(*) FROM statement_staging WHERE {_KEY})
    """  # noqa: S608
)
_FORGET_PART = tuple(
    text(f"DELETE FROM {table} WHERE {_KEY} AND part = :part")  # noqa: S608
    for table in ("statement_staging", "statement_parts")
)
_FORGET = tuple(text(f"DELETE FROM {table} WHERE {_KEY}") for table in ("statement_staging", "statement_parts"))  # noqa: S608


class PartRead(msgspec.Struct, frozen=True):
    """How far a part is read. ``cursor``: where reading goes on; ``lines``: how many are staged; ``whole``: all are."""

    part: str
    cursor: str | None
    lines: int
    whole: bool


async def parts_read(connection: AsyncConnection, provider: str, day: date) -> dict[str, PartRead]:
    """The parts of a day's statement that were begun, by name."""
    rows = await connection.execute(_PARTS, {"provider": provider, "day": day})
    return {row[0]: PartRead(*row) for row in rows}


async def stage(
    connection: AsyncConnection,
    provider: str,
    day: date,
    part: str,
    lines: Sequence[Mapping[str, Any]],
    *,
    before: int,
    cursor: str | None,
) -> None:
    """Stage a page, in the caller's transaction. ``before``: lines of the part that are staged already; ``cursor``: of the
    next page, ``None`` after the last. ``lines``: columns by name."""
    values = {"provider": provider, "day": day, "part": part, "cursor": cursor, "lines": before + len(lines)}
    await connection.execute(_MOVE, values)
    if not lines:
        return
    # COPY goes by the driver: the statement before has begun the transaction.
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    names = _COLUMNS[4:]
    records = [
        (provider, day, part, before + number, *(line[name] for name in names)) for number, line in enumerate(lines, 1)
    ]
    await driver.copy_records_to_table("statement_staging", records=records, columns=_COLUMNS)


async def is_whole(connection: AsyncConnection, provider: str, day: date) -> bool:
    """Whether all that was read of a day is staged still."""
    read, staged = (await connection.execute(_COUNTED, {"provider": provider, "day": day})).one()
    return bool(read == staged)


async def forget_part(connection: AsyncConnection, provider: str, day: date, part: str) -> None:
    """Read a part from its start again: the source has changed."""
    for statement in _FORGET_PART:
        await connection.execute(statement, {"provider": provider, "day": day, "part": part})


async def forget(connection: AsyncConnection, provider: str, day: date) -> None:
    """Read the day from its start again."""
    for statement in _FORGET:
        await connection.execute(statement, {"provider": provider, "day": day})
