"""The statement that writes a batch of the payments agent: states, journal, ledger and positions, all or nothing."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.postings import Posting
from billing.payments.model import Operation, Payment
from runtime.postgres import sqlstate
from storage.journal.records import JournalRow
from storage.payments.rows import entry_rows, item_rows, operation_row, order_row, payment_row
from storage.streams.positions import LostPartition, Move
from storage.tables import CART_ITEMS, JOURNAL, LEDGER_ACCOUNTS, LEDGER_ENTRIES, OPERATIONS, ORDERS, PAYMENTS, columns


class Changes(msgspec.Struct, frozen=True):
    """Everything one batch writes. ``created`` payments bring their order and cart with them."""

    created: Sequence[Payment]
    payments: Sequence[Payment]
    operations: Sequence[tuple[Payment, Operation]]
    postings: Sequence[tuple[Payment, Posting]]
    journal: Sequence[JournalRow]


def _insert(table: Table, rows: str) -> str:
    # json_populate_recordset makes a NULL of every key that is missing: only the columns of this release are taken
    # from it, so that the others keep their defaults.
    names = columns(table)
    return f"""
        INSERT INTO {table.name} ({names})
        SELECT {names} FROM fence, json_populate_recordset(NULL::{table.name}, CAST(:{rows} AS json))
    """  # noqa: S608 - made of the names in storage.tables


def _upsert(table: Table, rows: str, fixed: Collection[str]) -> str:
    changed = ", ".join(f"{c.name} = EXCLUDED.{c.name}" for c in table.columns if c.name not in fixed)
    return f"{_insert(table, rows)} ON CONFLICT (id) DO UPDATE SET {changed}"


#: Columns that never change once their row is there.
_PAYMENT_FIXED: Final = frozenset(
    ("id", "client_id", "fingerprint", "order_id", "capture_mode", "currency", "amount", "hold_s", "save_method",
     "saved_method", "created_at", "expires_at")
)  # fmt: skip
_OPERATION_FIXED: Final = frozenset(
    ("id", "payment_id", "type", "action", "amount", "provider", "cart", "fingerprint", "created_at")
)

# One statement is one round trip and one transaction. ``fence`` goes first, everything else waits for it: where a
# position is not as expected, positions_moved() raises and nothing is written. The rows come as JSON: Postgres types
# them by its own tables.
_SAVE = text(
    f"""
    WITH moved AS (
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
    ),
    o AS ({_insert(ORDERS, "orders")}),
    c AS ({_insert(CART_ITEMS, "items")}),
    p AS ({_upsert(PAYMENTS, "payments", _PAYMENT_FIXED)}),
    op AS ({_upsert(OPERATIONS, "operations", _OPERATION_FIXED)}),
    a AS (
        INSERT INTO ledger_accounts ({columns(LEDGER_ACCOUNTS)})
        SELECT DISTINCT account, split_part(account, ':', 1), nullif(split_part(account, ':', 2), '')
        FROM fence, json_populate_recordset(NULL::ledger_entries, CAST(:entries AS json))
        ON CONFLICT DO NOTHING
    ),
    l AS ({_insert(LEDGER_ENTRIES, "entries")})
    {_insert(JOURNAL, "journal")}
    """  # noqa: S608
)
#: What positions_moved() raises.
_NOT_MOVED: Final = "BL001"


async def save(connection: AsyncConnection, changes: Changes, moves: Sequence[Move]) -> None:
    """Write a batch and move positions, all or nothing.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    rows = {
        "positions": moves,
        "orders": [order_row(p) for p in changes.created],
        "items": [row for p in changes.created for row in item_rows(p.order)],
        "payments": [payment_row(p) for p in sorted(changes.payments, key=lambda p: p.id)],
        "operations": [operation_row(p, o) for p, o in sorted(changes.operations, key=lambda pair: pair[1].id)],
        "entries": [row for p, posting in changes.postings for row in entry_rows(p, posting)],
        "journal": changes.journal,
    }
    try:
        await connection.execute(_SAVE, {name: msgspec.json.encode(value).decode() for name, value in rows.items()})
    except DBAPIError as error:
        if sqlstate(error) == _NOT_MOVED:
            raise LostPartition(f"{[(m.consumer, m.topic, m.partition) for m in moves]} moved on without us") from error
        raise
