"""The statement that writes a batch of any aggregate: changes, journal and positions, all or nothing.

One statement is one round trip and one transaction. ``fence`` goes first, everything else waits for it: where a position
is not as expected, positions_moved() raises and nothing is written. The rows come as JSON: Postgres types them by its
own tables.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Table, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.postgres import sqlstate
from storage.journal.records import JournalRow
from storage.streams.positions import LostPartition, Move
from storage.tables import JOURNAL, columns

#: What positions_moved() raises.
_NOT_MOVED: Final = "BL001"
_FENCE: Final = """
    moved AS (
        UPDATE stream_positions AS p
        SET next_offset = m.next_offset, published_offset = m.published_offset, updated_at = now()
        FROM json_to_recordset(CAST(:positions AS json)) AS m (
            consumer text, topic text, partition integer,
            expected bigint, next_offset bigint, published_offset bigint
        )
        WHERE p.consumer = m.consumer AND p.topic = m.topic AND p.partition = m.partition
          AND p.next_offset = m.expected
        RETURNING 1
    ),
    fence AS MATERIALIZED (
        SELECT positions_moved(count(*), json_array_length(CAST(:positions AS json))) FROM moved
    )
"""


def insert(table: Table, rows: str) -> str:
    """Insert the parameter ``rows`` into ``table``."""
    # json_populate_recordset makes a NULL of every key that is missing: only the columns of this release are taken
    # from it, so that the others keep their defaults.
    names = columns(table)
    return f"""
        INSERT INTO {table.name} ({names})
        SELECT {names} FROM fence, json_populate_recordset(NULL::{table.name}, CAST(:{rows} AS json))
    """  # noqa: S608 - made of the names in storage.tables


def upsert(table: Table, rows: str, fixed: Collection[str]) -> str:
    """Insert the parameter ``rows`` into ``table``, or update all but the ``fixed`` columns of the row with the primary
    key."""
    key = ", ".join(column.name for column in table.primary_key.columns)
    changed = ", ".join(f"{c.name} = EXCLUDED.{c.name}" for c in table.columns if c.name not in fixed)
    return f"{insert(table, rows)} ON CONFLICT ({key}) DO UPDATE SET {changed}"


def batch_statement(*changes: str) -> TextClause:
    """A statement of these changes for :func:`save_batch`. Each selects from ``fence``, as those above do."""
    steps = [f"change_{number} AS ({change})" for number, change in enumerate(changes)]
    return text(f"WITH {', '.join([_FENCE, *steps])} {insert(JOURNAL, 'journal')}")


async def save_batch(
    connection: AsyncConnection,
    statement: TextClause,
    rows: Mapping[str, object],
    journal: Sequence[JournalRow],
    moves: Sequence[Move],
) -> None:
    """Run a :func:`batch_statement`. ``rows``: its parameters, each a list of rows.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    values = {**rows, "journal": journal, "positions": moves}
    try:
        await connection.execute(
            statement, {name: msgspec.json.encode(value).decode() for name, value in values.items()}
        )
    except DBAPIError as error:
        if sqlstate(error) == _NOT_MOVED:
            raise LostPartition(
                f"{[(m.consumer, m.topic, m.partition) for m in moves]} were moved by another process"
            ) from error
        raise
