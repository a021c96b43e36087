"""The statement that writes a batch of any aggregate: changes, journal and positions, all or nothing.

One statement is one round trip and one transaction. ``fence`` goes first, everything else waits for it: where a position
is not as expected, positions_moved() raises and nothing is written. The rows come as JSON: Postgres types them by its
own tables. Their documents (columns of type jsonb) come beside them, as texts: inside the rows Postgres would parse each
twice, which was most of what a batch cost it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ARRAY, Table, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
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


class Change(NamedTuple):
    """One step of a batch. ``rows``: its parameter, a list of rows; ``documents``: the columns of these rows that are
    jsonb."""

    sql: str
    rows: str | None = None
    documents: tuple[str, ...] = ()


class BatchStatement(NamedTuple):
    """All steps as one statement. ``documents``: of each parameter with rows."""

    text: TextClause
    documents: Mapping[str, tuple[str, ...]]


def insert(table: Table, rows: str, on_conflict: str = "") -> Change:
    """Insert the parameter ``rows`` into ``table``."""
    documents = tuple(column.name for column in table.columns if isinstance(column.type, JSONB))
    # json_populate_recordset makes a NULL of every key that is missing: only the columns of this release are taken
    # from it, so that the others keep their defaults. The documents come first: a later release's table has more columns.
    values = ", ".join(f"{c.name}_json::jsonb" if c.name in documents else c.name for c in table.columns)
    source = f"json_populate_recordset(NULL::{table.name}, CAST(:{rows} AS json))"
    if documents:
        texts = ", ".join(f":{_document(rows, name)}" for name in documents)
        source = f"ROWS FROM (unnest({texts}), {source}) AS r ({', '.join(f'{name}_json' for name in documents)})"
    sql = f"""
        INSERT INTO {table.name} ({columns(table)})
        SELECT {values} FROM fence, {source} {on_conflict}
    """  # noqa: S608 - made of the names in storage.tables
    return Change(sql, rows, documents)


def upsert(table: Table, rows: str, fixed: Collection[str]) -> Change:
    """Insert the parameter ``rows`` into ``table``, or update all but the ``fixed`` columns of the row with the primary
    key."""
    key = ", ".join(column.name for column in table.primary_key.columns)
    changed = ", ".join(f"{c.name} = EXCLUDED.{c.name}" for c in table.columns if c.name not in fixed)
    return insert(table, rows, f"ON CONFLICT ({key}) DO UPDATE SET {changed}")


def batch_statement(*changes: Change) -> BatchStatement:
    """A statement of these changes for :func:`save_batch`. Each selects from ``fence``, as those above do."""
    steps = [f"change_{number} AS ({change.sql})" for number, change in enumerate(changes)]
    journal = insert(JOURNAL, "journal")
    documents = {change.rows: change.documents for change in (*changes, journal) if change.rows is not None}
    parameters = [_document(rows, name) for rows, names in documents.items() for name in names]
    statement = text(f"WITH {', '.join([_FENCE, *steps])} {journal.sql}").bindparams(
        *(bindparam(parameter, type_=ARRAY(Text)) for parameter in parameters)
    )
    return BatchStatement(statement, documents)


async def save_batch(
    connection: AsyncConnection,
    statement: BatchStatement,
    rows: Mapping[str, Sequence[Any]],
    journal: Sequence[JournalRow],
    moves: Sequence[Move],
) -> None:
    """Run a :func:`batch_statement`. ``rows``: its parameters, each a list of rows.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    values: dict[str, object] = {"positions": _encoded(moves)}
    for name, found in {**rows, "journal": [msgspec.structs.asdict(row) for row in journal]}.items():
        documents = statement.documents.get(name, ())
        values |= {_document(name, document): [_text(row[document]) for row in found] for document in documents}
        values[name] = _encoded([_without(row, documents) for row in found] if documents else found)
    try:
        await connection.execute(statement.text, values)
    except DBAPIError as error:
        if sqlstate(error) == _NOT_MOVED:
            raise LostPartition(
                f"{[(m.consumer, m.topic, m.partition) for m in moves]} were moved by another process"
            ) from error
        raise


def _document(rows: str, column: str) -> str:
    """The parameter with the documents of ``column``, one for each of the ``rows``."""
    return f"{rows}_{column}"


def _without(row: Mapping[str, object], documents: tuple[str, ...]) -> dict[str, object]:
    return {column: value for column, value in row.items() if column not in documents}


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(document: object) -> str | None:
    return None if document is None else _encoded(document)
