"""What a batch of the payments agent writes: payments, orders, operations, ledger."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.postings import Posting
from billing.payments.decision import Alias
from billing.payments.model import Operation, Payment
from billing.payments.saved_method import MethodDied, MethodSaved
from billing.vocabulary import MethodStatus
from storage.books.entries import entry_rows
from storage.journal.records import JournalRow
from storage.payments.rows import item_rows, operation_row, order_row, payment_row
from storage.streams.batches import Change, batch_statement, insert, save_batch, upsert
from storage.streams.positions import Move
from storage.tables import (
    CART_ITEMS,
    LEDGER_ACCOUNTS,
    LEDGER_ENTRIES,
    OPERATIONS,
    ORDERS,
    PAYMENTS,
    PROVIDER_ALIASES,
    SAVED_METHODS,
    columns,
)


class Changes(msgspec.Struct, frozen=True):
    """Everything one batch writes. ``created`` payments bring their order and cart with them; of ``amended`` ones the
    order is written again."""

    created: Sequence[Payment]
    payments: Sequence[Payment]
    operations: Sequence[tuple[Payment, Operation]]
    postings: Sequence[tuple[Payment, Posting]]
    journal: Sequence[JournalRow]
    saved: Sequence[MethodSaved] = ()
    died: Sequence[MethodDied] = ()
    aliases: Sequence[tuple[Payment, Alias]] = ()
    amended: Sequence[Payment] = ()


#: Columns that never change once their row is there.
_PAYMENT_FIXED: Final = frozenset(
    ("id", "client_id", "fingerprint", "order_id", "capture_mode", "currency", "amount", "hold_s", "save_method",
     "saved_method", "created_at", "expires_at", "not_after")
)  # fmt: skip
_ORDER_FIXED: Final = frozenset(column.name for column in ORDERS.columns) - {"contact", "metadata"}
_OPERATION_FIXED: Final = frozenset(
    ("id", "payment_id", "type", "action", "provider", "cart", "fingerprint", "created_at")
)

_SAVE = batch_statement(
    insert(ORDERS, "orders"),
    insert(CART_ITEMS, "items"),
    upsert(ORDERS, "amended", _ORDER_FIXED),
    upsert(PAYMENTS, "payments", _PAYMENT_FIXED),
    upsert(OPERATIONS, "operations", _OPERATION_FIXED),
    Change(f"""
        INSERT INTO ledger_accounts ({columns(LEDGER_ACCOUNTS)})
        SELECT DISTINCT account, split_part(account, ':', 1), nullif(split_part(account, ':', 2), '')
        FROM fence, json_populate_recordset(NULL::ledger_entries, CAST(:entries AS json))
        ON CONFLICT DO NOTHING
    """),  # noqa: S608
    insert(LEDGER_ENTRIES, "entries"),
    # A method that was removed or died is saved again only by a payment that was opened afterwards.
    insert(
        SAVED_METHODS,
        "saved",
        """
        ON CONFLICT (provider, method_ref, customer_id) DO UPDATE
        SET title = EXCLUDED.title, expires_on = EXCLUDED.expires_on, status = EXCLUDED.status,
            status_at = EXCLUDED.status_at, status_by = EXCLUDED.status_by, reason = NULL
        WHERE saved_methods.status <> 'ACTIVE' AND saved_methods.client_id = EXCLUDED.client_id
          AND saved_methods.status_at < EXCLUDED.created_at
        """,
    ),
    Change("""
        UPDATE saved_methods AS m
        SET status = 'DEAD', status_at = d.status_at, status_by = d.status_by, reason = d.reason
        FROM fence, json_populate_recordset(NULL::saved_methods, CAST(:died AS json)) AS d
        WHERE m.id = d.id AND m.status = 'ACTIVE'
    """),
    insert(PROVIDER_ALIASES, "aliases", "ON CONFLICT DO NOTHING"),
)


async def save(connection: AsyncConnection, changes: Changes, moves: Sequence[Move]) -> None:
    """Write a batch and move positions, all or nothing.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    rows = {
        "orders": [order_row(p) for p in changes.created],
        "amended": [order_row(p) for p in sorted(changes.amended, key=lambda p: p.order.id)],
        "items": [row for p in changes.created for row in item_rows(p.order)],
        "payments": [payment_row(p) for p in sorted(changes.payments, key=lambda p: p.id)],
        "operations": [operation_row(p, o) for p, o in sorted(changes.operations, key=lambda pair: pair[1].id)],
        "saved": [_saved_row(m) for m in sorted({m.id: m for m in changes.saved}.values(), key=lambda m: m.id)],
        "died": [
            {"id": m.id, "status_at": m.at, "status_by": f"provider:{m.provider}", "reason": m.reason}
            for m in changes.died
        ],
        "aliases": [
            {"provider": a.provider, "alias": a.alias, "payment_id": p.id, "learnt_at": p.updated_at}
            for p, a in sorted(changes.aliases, key=lambda pair: (pair[1].provider, pair[1].alias))
        ],
        "entries": [
            row
            for payment, posting in changes.postings
            for row in entry_rows(posting, payment_id=payment.id, operation_id=posting.operation_id)
        ],
    }
    await save_batch(connection, _SAVE, rows, changes.journal, moves)


def _saved_row(saved: MethodSaved) -> dict[str, object]:
    return {
        "id": saved.id,
        "client_id": saved.client_id,
        "customer_id": saved.customer_id,
        "provider": saved.provider,
        "method_ref": saved.method_ref,
        "title": saved.title,
        "expires_on": saved.expires_on,
        "status": MethodStatus.ACTIVE,
        "status_at": saved.at,
        "status_by": f"payment:{saved.payment_id}",
        "reason": None,
        "created_at": saved.created_at,
    }
