"""Payments as rows: written once per batch by the payments agent, read back into the domain's objects."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Table, Uuid, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger.postings import Posting
from billing.orders import Cart, Contact, Item, Order, ReturnUrls
from billing.payments.model import Operation, Payment
from billing.vocabulary import (
    Action,
    CaptureMode,
    ItemType,
    OperationStatus,
    OperationType,
    Outcome,
    PaymentStatus,
    Tax,
)
from storage.journal.records import JournalRow
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

_IDS = bindparam("ids", type_=ARRAY(Uuid))

_PAYMENTS = text(
    f"""
    SELECT {columns(PAYMENTS, prefix="p.")}, o.customer_id, o.return_urls, o.contact, o.metadata
    FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = ANY(:ids)
    """  # noqa: S608
).bindparams(_IDS)
_ITEMS = text(
    f"SELECT {columns(CART_ITEMS)} FROM cart_items WHERE order_id = ANY(:ids) ORDER BY order_id, position"  # noqa: S608
).bindparams(_IDS)
_OPERATIONS = text(
    f"SELECT {columns(OPERATIONS)} FROM operations WHERE payment_id = ANY(:ids)"  # noqa: S608
    " ORDER BY payment_id, created_at, id"
).bindparams(_IDS)


async def save(connection: AsyncConnection, changes: Changes, moves: Sequence[Move]) -> None:
    """Write a batch and move positions, all or nothing.

    Raises :class:`~storage.streams.positions.LostPartition` when a position is not where a move expects it.
    """
    rows = {
        "positions": moves,
        "orders": [_order_row(p) for p in changes.created],
        "items": [row for p in changes.created for row in _item_rows(p.order)],
        "payments": [_payment_row(p) for p in sorted(changes.payments, key=lambda p: p.id)],
        "operations": [_operation_row(p, o) for p, o in sorted(changes.operations, key=lambda pair: pair[1].id)],
        "entries": [row for p, posting in changes.postings for row in _entry_rows(p, posting)],
        "journal": changes.journal,
    }
    try:
        await connection.execute(_SAVE, {name: msgspec.json.encode(value).decode() for name, value in rows.items()})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _NOT_MOVED:
            raise LostPartition(f"{[(m.consumer, m.topic, m.partition) for m in moves]} moved on without us") from error
        raise


async def load_payments(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Payment]:
    """The payments with these ids that exist."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    payments = (await connection.execute(_PAYMENTS, {"ids": wanted})).mappings().all()
    if not payments:
        return {}
    found = await connection.execute(_ITEMS, {"ids": [row["order_id"] for row in payments]})
    items = _grouped(found.mappings(), "order_id")
    found = await connection.execute(_OPERATIONS, {"ids": [row["id"] for row in payments]})
    operations = _grouped(found.mappings(), "payment_id")
    return {row["id"]: _payment(row, items.get(row["order_id"], []), operations.get(row["id"], [])) for row in payments}


def _grouped(rows: Iterable[Mapping[Any, Any]], key: str) -> dict[UUID, list[Mapping[Any, Any]]]:
    groups: dict[UUID, list[Mapping[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _order_row(payment: Payment) -> dict[str, Any]:
    order = payment.order
    return {
        "id": order.id,
        "customer_id": order.customer_id,
        "currency": order.currency,
        "amount": order.amount,
        "return_urls": order.return_urls,
        "contact": order.contact,
        "metadata": order.metadata,
        "created_at": payment.created_at,
    }


def _item_rows(order: Order) -> list[dict[str, Any]]:
    return [
        {"order_id": order.id, "position": position} | msgspec.structs.asdict(item)
        for position, item in enumerate(order.cart.items)
    ]


def _payment_row(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "client_id": payment.client_id,
        "fingerprint": payment.fingerprint,
        "order_id": payment.order.id,
        "provider": payment.provider,
        "capture_mode": payment.capture_mode,
        "status": payment.status,
        "version": payment.version,
        "order_ref": payment.order_ref,
        "currency": payment.order.currency,
        "amount": payment.order.amount,
        "authorized": payment.authorized,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "refund_pending": payment.refund_pending,
        "payment_url": payment.payment_url,
        "reason": payment.reason,
        "hold_s": payment.hold_s,
        "save_method": payment.save_method,
        "saved_method": payment.saved_method,
        "method_ref": payment.method_ref,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "expires_at": payment.expires_at,
        "alternatives": payment.alternatives,
    }


def _operation_row(payment: Payment, operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "payment_id": payment.id,
        "type": operation.type,
        "action": operation.action,
        "status": operation.status,
        "amount": operation.amount,
        "provider": operation.provider,
        "provider_ref": operation.provider_ref,
        "outcome": operation.outcome,
        "reason": operation.reason,
        "chases": operation.follow_ups,
        "next_chase_at": operation.next_follow_up_at,
        "cart": operation.cart,
        "corrections": operation.corrections,
        "fingerprint": operation.fingerprint,
        "version": payment.version,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }


def _entry_rows(payment: Payment, posting: Posting) -> list[dict[str, Any]]:
    return [
        {
            "posting_id": posting.id,
            "line": line,
            "account": entry.account,
            "amount": entry.amount,
            "currency": posting.currency,
            "payment_id": payment.id,
            "operation_id": posting.operation_id,
            "posted_at": posting.posted_at,
            "cause_kind": posting.cause.kind,
            "cause_id": posting.cause.id,
        }
        for line, entry in enumerate(posting.entries)
    ]


def _payment(
    row: Mapping[Any, Any], items: Sequence[Mapping[Any, Any]], operations: Sequence[Mapping[Any, Any]]
) -> Payment:
    order = Order(
        id=row["order_id"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        amount=row["amount"],
        cart=Cart(tuple(_item(item) for item in items)),
        return_urls=None if row["return_urls"] is None else msgspec.convert(row["return_urls"], ReturnUrls),
        contact=None if row["contact"] is None else msgspec.convert(row["contact"], Contact),
        metadata=row["metadata"],
    )
    return Payment(
        id=row["id"],
        client_id=row["client_id"],
        fingerprint=row["fingerprint"],
        order=order,
        provider=row["provider"],
        capture_mode=CaptureMode(row["capture_mode"]),
        status=PaymentStatus(row["status"]),
        version=row["version"],
        order_ref=row["order_ref"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        hold_s=row["hold_s"],
        save_method=row["save_method"],
        saved_method=row["saved_method"],
        method_ref=row["method_ref"],
        authorized=row["authorized"],
        captured=row["captured"],
        refunded=row["refunded"],
        payment_url=row["payment_url"],
        reason=row["reason"],
        alternatives=tuple(row["alternatives"]),
        operations=tuple(_operation(operation) for operation in operations),
    )


def _item(row: Mapping[Any, Any]) -> Item:
    return Item(
        product_id=row["product_id"],
        title=row["title"],
        quantity=row["quantity"],
        unit_price=row["unit_price"],
        type=ItemType(row["type"]),
        tax=Tax(row["tax"]),
        subject=row["subject"],
        method=row["method"],
        measure=row["measure"],
    )


def _operation(row: Mapping[Any, Any]) -> Operation:
    return Operation(
        id=row["id"],
        type=OperationType(row["type"]),
        action=Action(row["action"]),
        status=OperationStatus(row["status"]),
        amount=row["amount"],
        provider=row["provider"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        provider_ref=row["provider_ref"],
        reason=row["reason"],
        follow_ups=row["chases"],
        next_follow_up_at=row["next_chase_at"],
        cart=None if row["cart"] is None else msgspec.convert(row["cart"], Cart),
        corrections=tuple(row["corrections"]),
        fingerprint=row["fingerprint"],
    )
