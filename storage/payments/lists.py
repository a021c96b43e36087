"""Reads for the API: one payment of a client, and keyset pages of its payments, newest first."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.payments.model import Payment
from storage.payments.rows import load_payments


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which payments to list; ``None`` and ``{}`` do not filter. ``created_from`` is inclusive, ``created_to`` exclusive
    (UTC)."""

    customer_id: str | None = None
    order_id: UUID | None = None
    status: str | None = None
    provider: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    metadata: dict[str, str] = {}


class Cursor(msgspec.Struct, frozen=True):
    """A payment's position in the list: the next page begins after it."""

    created_at: datetime
    id: UUID


#: Filter → its condition. The statement holds only the conditions in use, so that each combination has its own plan;
#: an ``OR :x IS NULL`` would prevent that.
_CONDITIONS = {
    "customer_id": "o.customer_id = :customer_id",
    "order_id": "p.order_id = :order_id",
    "status": "p.status = :status",
    "provider": "p.provider = :provider",
    "created_from": "p.created_at >= :created_from",
    "created_to": "p.created_at < :created_to",
    # The second condition lets Postgres use the partial index.
    "metadata": "o.metadata @> CAST(:metadata AS jsonb) AND o.metadata <> '{}'",
}


def statement(filters: Filters, client_id: str, after: Cursor | None, limit: int) -> tuple[str, dict[str, Any]]:
    """The statement that selects the ids of one page, and its parameters."""
    asked = {name: value for name in _CONDITIONS if (value := getattr(filters, name))}
    conditions = ["p.client_id = :client_id", *(_CONDITIONS[name] for name in asked)]
    parameters = {**asked, "client_id": client_id, "limit": limit}
    if "metadata" in asked:
        parameters["metadata"] = msgspec.json.encode(filters.metadata).decode()
    if after is not None:
        conditions.append("(p.created_at, p.id) < (:after_at, :after_id)")
        parameters |= {"after_at": after.created_at, "after_id": after.id}
    orders = "JOIN orders o ON o.id = p.order_id" if {"customer_id", "metadata"} & asked.keys() else ""
    sql = f"""
        SELECT p.id FROM payments p {orders} WHERE {" AND ".join(conditions)}
        ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
    """  # noqa: S608 - made of the fragments above
    return sql, parameters


async def list_payments(
    connection: AsyncConnection, client_id: str, filters: Filters, after: Cursor | None, limit: int
) -> list[Payment]:
    """At most ``limit`` payments of the client, newest first, starting after ``after``."""
    sql, parameters = statement(filters, client_id, after, limit)
    ids = [row[0] for row in await connection.execute(text(sql), parameters)]
    payments = await load_payments(connection, ids)
    return [payments[id] for id in ids if id in payments]


async def find_payment(connection: AsyncConnection, client_id: str, payment_id: UUID) -> Payment | None:
    """The payment with all its operations; ``None`` when there is none or it belongs to another API client."""
    payment = (await load_payments(connection, [payment_id])).get(payment_id)
    return payment if payment is not None and payment.client_id == client_id else None
